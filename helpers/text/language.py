"""Whether a text is in English, the one language whose words are read here."""

from __future__ import annotations

import re

_ENGLISH = frozenset(
    "the of and to is are was were be been it that this these those i you he she they we his her"
    " its"
    " their my your not don't can't cannot what which who how many much there here has have had do"
    " does did for with from by as at if or but so then than about will would could should may"
    " might"
    " must know tell answer question story sure idea unknown enough information given said says no"
    " yes a an in on all each more one sorry please me us them him because since when where"
    " why".split()
)
#: Words of English and of another language: they tell nothing.
_SHARED = frozenset(
    "a as an the so to me on no in all one is are was am i he his do it or by us at die hat".split()
)
#: Frequent words of the larger languages in Latin letters that English does not have.
_FOREIGN = (
    frozenset(
        # Spanish, Portuguese, Italian, French
        "el la los las un una uno del al lo sé se que qué es está no por para pero porque cuántas"
        " cuántos respuesta puedo puede pregunta sabe saber esto información suficiente historia"
        " tiene"
        " não nao sei você isso uma os as da dos das em com mas resposta posso pergunta tem"
        " informações"
        " non so il di che gli è sono della questo risposta posso domanda abbiamo possiamo ci"
        " je ne sais pas le les est une dans sur qui ce cette il elle vous réponse peux"
        " peut avec mais donc c'est n'est l'histoire désolé"
        # German, Dutch, the north
        " ich weiß weiss nicht das ist der die und ein eine es zu mit von auf für aber kann antwort"
        " keine nichts leider geschichte frage wie viele hat wir daher "
        " ik weet het niet een dat deze voor maar antwoord geen wij zijn"
        " jag vet inte det är och ett som på svaret ikke ved jeg er av og svar"
        # Polish, Czech, Hungarian, Romanian, Turkish, Finnish, Indonesian, Vietnamese, Swahili
        " nie wiem jest tego można się odpowiedź nevím není ne nelze odpověď to je nem tudom nincs"
        " nu știu este răspunsul bilmiyorum bir ve bu için değil cevap bilinmiyor tiedä ei se"
        " tidak tahu saya itu adalah jawaban yang tôi không biết câu là sijui jibu".split()
    )
    - _SHARED
)
#: Words that leave no doubt even alone.
_ALONE = frozenset(
    "desconocido desconocida desconhecido inconnu inconnue unbekannt sconosciuto sconosciuta"
    " onbekend"
    " okänt ukjent ukendt nieznane nevím bilmiyorum bilinmiyor nieznana necunoscut tuntematon keine"
    " weißnicht sijui неизвестно".split()
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_LATIN = re.compile(r"[A-Za-zÀ-ɏḀ-ỿ]")
_MATHS = re.compile(r"\\[a-zA-Z]+|[α-ωΑ-Ω]|<[^>]*>")


def is_english(text: str) -> bool:
    """Whether a text is English as far as its frequent words tell; a name or a number alone is."""
    words = [word for word in _WORD.findall(_MATHS.sub(" ", text)) if word[0].isalpha()]
    letters = "".join(words)
    if not letters:
        return True
    if len(_LATIN.findall(letters)) < 0.7 * len(letters):
        return False
    small = [word.lower().replace("’", "'") for word in words]
    if len(small) == 1:
        return small[0] not in _ALONE
    english = sum(word in _ENGLISH and word not in _SHARED for word in small)
    # Capitals inside a sentence are names: Los Angeles, La Paz.
    foreign = sum(
        word in _FOREIGN and (i == 0 or not full[0].isupper())
        for i, (word, full) in enumerate(zip(small, words, strict=True))
    )
    if foreign >= 2 and foreign > 2 * english:
        return False
    if english:
        return True
    accented = sum(not word.isascii() for word in small)
    names = sum(full[0].isupper() for full in words)
    return not (accented and (len(words) >= 4 or len(words) == 3 and names < 3 and foreign))
