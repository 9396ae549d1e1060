"""Whether a text is in English, the one language whose words are read here."""

from __future__ import annotations

import re

_ENGLISH = frozenset(
    "the of and to is are was were be been it that this these those i you he she they we his her its"
    " their my your not don't can't cannot what which who how many much there here has have had do"
    " does did for with from by as at if or but so then than about will would could should may might"
    " must know tell answer question story sure idea unknown enough information given said says no"
    " yes a an in on all each more one sorry please me us them him because since when where why".split()
)
#: Frequent words of the larger languages in Latin letters that English does not have.
_FOREIGN = frozenset(
    # Spanish, Portuguese, Italian, French
    "el la los las un una uno del al lo sé se que qué es está son no por para con pero porque cuántas"
    " cuántos respuesta puedo puede pregunta hay sabe saber esto información suficiente historia tiene"
    " não nao sei você isso uma os as da dos das em com mas resposta posso pergunta tem informações"
    " non so il di che gli è sono per della questo risposta posso domanda abbiamo possiamo ci"
    " je ne sais pas le les des est une dans et pour sur qui ce cette il elle nous vous réponse peux"
    " peut avec mais donc c'est n'est l'histoire désolé"
    # German, Dutch, the north
    " ich weiß weiss nicht das ist der die den und ein eine es zu mit von auf für aber kann antwort"
    " keine nichts leider geschichte frage wie viele hat wir daher also"
    " ik weet het niet een dat deze van voor maar kan antwoord geen wij dit zijn"
    " jag vet inte det är och en ett som på kan svaret ikke ved jeg er av og svar"
    # Polish, Czech, Hungarian, Romanian, Turkish, Finnish, Indonesian, Vietnamese, Swahili
    " nie wiem jest tego można się odpowiedź nevím není ne nelze odpověď to je nem tudom nincs"
    " nu știu este răspunsul bilmiyorum bir ve bu için değil cevap bilinmiyor en tiedä ei ole se"
    " tidak tahu saya itu adalah jawaban yang tôi không biết câu là sijui jibu".split()
) - frozenset("a as an the so to me on no in all one is are was am i he his do it or by us at".split())
#: Words that leave no doubt even alone.
_ALONE = frozenset(
    "desconocido desconocida desconhecido inconnu inconnue unbekannt sconosciuto sconosciuta onbekend"
    " okänt ukjent ukendt nieznane nevím bilmiyorum bilinmiyor nieznana necunoscut tuntematon keine"
    " weißnicht sijui неизвестно".split()
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_LATIN = re.compile(r"[A-Za-zÀ-ɏḀ-ỿ]")
_MATHS = re.compile(r"\\[a-zA-Z]+|[α-ωΑ-Ω]|<[^>]*>")


def is_english(text: str) -> bool:
    """Whether a text is English as far as its frequent words tell; a name or a number alone is."""
    words = _WORD.findall(_MATHS.sub(" ", text))
    letters = "".join(words)
    if not letters:
        return True
    if len(_LATIN.findall(letters)) < 0.7 * len(letters):
        return False
    small = [word.lower().replace("’", "'") for word in words]
    if len(small) == 1:
        return small[0] not in _ALONE
    english = sum(word in _ENGLISH for word in small)
    # Capitals inside a sentence are names: Los Angeles, La Paz.
    foreign = sum(
        word in _FOREIGN and (i == 0 or not full[0].isupper() or full.isupper())
        for i, (word, full) in enumerate(zip(small, words, strict=True))
    )
    if any(word in _ALONE for word in small):
        foreign += 2
    shared = sum(word in _FOREIGN and word in _ENGLISH for word in small)
    if foreign >= 2 and foreign > 2 * (english - shared):
        return False
    marked = sum(not word.isascii() for word in small)
    return not (len(small) >= 4 and marked >= 1 and english == 0)
