"""Whether a reply leaves its question unanswered: phrase rules, and the replies that test them."""

from __future__ import annotations

import re

import pandas as pd

from helpers import ROOT
from helpers.text.trace import NUMBER_WORDS, plain, split_trace

LABELLED = ROOT / "data" / "questions" / "abstention_responses.jsonl"

#: Ways to leave a question unanswered. Not "I didn't know": what was unknown at first may be known.
_DECLINES = (
    # not knowing, not telling
    r"\b(?:I|we|you|one)(?: \w+)? (?:don't|do not|can't|cannot|can not|couldn't|could not|(?:am|are"
    r"|is) unable to"
    r"|(?:am|are|is) not able to|'m not able to|'m unable to)(?: \w+){0,2}? (?:know|tell|say"
    r"|determine|answer|compute"
    r"|calculate|work|figure|find|conclude|solve|decide|give|put|predict|infer|verify|provide|learn"
    r"|look up|be sure)\b",
    r"\bI'm (?:not able|unable) to\b",
    r"(?:^|[.!?:;,]\s+)(?:can't|cannot|can not|couldn't) (?:\w+ )?(?:tell|say|know|determine"
    r"|answer)\b",
    r"\bno (?:way|means) (?:to|of|that)\b|\bno telling\b|\bno (?:\w+ ){0,2}(?:answer|number|figure"
    r"|basis)\b",
    r"\b(?:have|has|with) no (?:\w+ )?(?:idea|clue|information|data|record|knowledge|way|access)\b",
    r"\b(?:nobody|no one|no-one) (?:can |could )?(?:\w+ )?(?:knows?|says?|tells?)\b(?! better)",
    r"\b(?:can't|cannot|can not|couldn't|could not) (?:\w+ )?be (?:\w+ )?(?:determined|answered"
    r"|known|calculated|computed"
    r"|solved|found|told|worked out|said|established|inferred|decided|settled|predicted)\b",
    r"\b(?:impossible|not possible|hard|difficult) to (?:say|tell|know|determine|answer|calculate"
    r"|compute|work|give|decide)\b",
    r"\b(?:is|are|remains?|stays?) (?:\w+ )?(?:unknown|undetermined|unclear|uncertain|unspecified"
    r"|undefined|open)\b",
    r"\b(?:isn't|is not|aren't|are not|wasn't|never|not) (?:\w+ )?(?:told|given|stated|mentioned"
    r"|specified|provided|said"
    r"|known|defined|clear|recorded|measured)\b",
    r"\bunanswerable\b|\banyone's guess\b|\blost to history\b|\brather not\b|\b(?:don't"
    r"|do not) want to (?:say|state|give|guess)\b",
    # what is missing
    r"(?:\bnot|n't) (?:enough|sufficient)\b|\b(?:insufficient|too little|lacks?|lacking|missing"
    r"|incomplete)\b",
    r"\b(?:doesn't|does not|don't|do not|didn't|did not|never) (?:\w+ )?(?:says?|tells?|mentions?"
    r"|states?|specify|specifies"
    r"|gives?|provides?|includes?|contains?|indicates?|appears?|settle)\b",
    r"\bsays nothing about\b|\b(?:there is|there's) nothing\b|\bnothing (?:\w+ ){0,3}(?:favours"
    r"|favors|settles|says|tells)\b",
    r"\b(?:need|needs|have|has) to know\b(?<!n't need to know)|\bneed (?:\w+ )?more (?:information"
    r"|context|details?)\b",
    r"\b(?:story|text|problem|question|passage) (?:has|contains) no\b",
    # several readings
    r"\bambiguous\b|\btwo (?:readings|meanings)\b|\b(?:could|might|may|can) (?:be|mean"
    r"|refer to) (?:either|both|\w+ or)\b",
    r"\bif\b[^.?!\n=]*\d[^.?!\n=]*\bif\b[^.?!\n=]*\d",
    r"\bdepends\b",
    r"\b(?:where|with|without) [b-hj-z]\b",
    # asking back
    r"\byou (?:\w+ )?(?:mean|meant|refer|referring|asking|talking|thinking"
    r"|have in mind)\b[^.]{0,100}\?",
    r"\b(?:could|can|would|will) you (?:please )?(?:clarify|specify|tell|provide|share|be more|give"
    r"|say|check)\b",
    r"\bplease (?:clarify|specify|provide|share|tell|give|let me know)\b",
    r"\?[\"')]*\s*\Z",
    r"\A[^.!?]*\?\s+if you\b",
    # taste
    r"\b(?:matter|question) of (?:\w+ )?(?:taste|opinion|preference|perspective|judge?ment)\b",
    r"(?:\bno|(?:\bnot|n't) (?:a|one)) (?:\w+ )?(?:right|correct|best|better|objectively|definitive"
    r"|universal|single"
    r"|true|magic|consensus)\b|\bno fact of the matter\b|\bneither is better\b",
    r"\b(?:is|are|it's|that's) (?:\w+ ){0,2}(?:subjective|personal)\b|\beye of the beholder\b",
    r"\b(?:up to|for) \w+ to (?:decide|say|judge)\b|\b(?:up to|as you|as (?:he|she|they)) (?:you"
    r"|likes?)\b",
    r"\b(?:no|don't have|do not have|none of) (?:\w+ ){0,2}(?:preferences?|opinions?|my own)\b"
    r"|\bpeople (?:\w+ )?differ\b",
    r"\bdisagree\b",
    # an untrue or impossible premise
    r"\bimpossible\b(?! to)|\bcontradict\w*|(?:\bmakes? no|\bnot make|n't make) sense\b"
    r"|\binconsistent\b",
    r"\bpremise\b|\bmisunderstanding\b|\bmisconception\b|\bmyth\b|\bassumes something\b",
    r"\b(?:can't|cannot|can not|couldn't|could not|isn't possible|is not possible)"
    r" (?:\w+ )?(?:have|happen|lose|lost|sell|sold|give|given|spend|spent|eat|eaten|be)\b",
    r"\b(?:there is|there's|there was|there were|there are) (?:no|never)\b"
    r"(?! (?:trick|need|doubt|problem|question|issue|change|difference|more)\b)",
    r"\bnever (?!mind\b|ending\b)\w+|\b(?:did not|didn't)(?! (?:know|matter|change|grow|count)\b)",
    r"\bonly (?:ever )?(?:received|won|got|had) (?:a single|one)\b|\bjust the one\b",
)
#: Ways to say that an answer may be old: they decline only when none stands before them.
_CAVEATS = (
    r"\breal[- ]time\b|\bup[- ]to[- ]date\b|\b(?:live|current) (?:\w+ )?(?:prices?|information|data"
    r"|access)\b",
    r"\b(?:knowledge|training)(?: data)? (?:cut-?off|stops|ends|ended|only goes)\b"
    r"|\bmy training ended\b",
    r"\b(?:may|might|could) (?:well )?(?:have changed|be (?:out of date|outdated|old))\b"
    r"|\bout of date\b",
)
_DECLINE = re.compile("|".join(_DECLINES), re.IGNORECASE)
_CAVEAT = re.compile("|".join(_CAVEATS), re.IGNORECASE)

_ONE_VALUE = rf"[$€£]?(?:-?\d[\d,.]*|\b(?:{'|'.join(NUMBER_WORDS)})\b)"
#: A turn back to an answer, anywhere after a decline: a word that announces a value, or a choice.
_TURNS = re.compile(
    r"\b(?:but|however|still|so|therefore|thus|hence|probably|likely|presumably|guess|guessing"
    r"|estimates?|estimated|say"
    r"|go with|think|believe|suppose|assume|assuming|about|around|roughly|approximately|somewhere"
    r"|answer)\b"
    rf"[^?]{{0,100}}{_ONE_VALUE}"
    r"|\b(?:I'd|I would|I'll|I will) (?:say|guess|recommend|choose|pick|go|take)\b|\bI (?:lean"
    r"|choose|pick|vote|believe)\b"
    r"|\bmy (?:vote|choice|pick|best guess|guess)\b|\bforce me\b|\bassuming\b|\b(?:most"
    r"|more) likely\b|\bI take it\b"
    rf"|= ?{_ONE_VALUE}|: {_ONE_VALUE}(?: [\w']+){{0,2}}\W*\Z",
    re.IGNORECASE,
)
#: A sentence of its own that states a value: short, or ending in one.
_STATES = re.compile(
    rf"\A\W*(?:[\w']+ ){{0,5}}(?:has|have|had|owns|makes|gets|is|are|with) (?:now "
    rf"|got )?{_ONE_VALUE}(?: [\w']+){{0,4}}\W*\Z"
    rf"|\b(?:is|are|gives|makes) {_ONE_VALUE}(?: [\w']+){{0,2}}\W*\Z"
    rf"|\A\W*{_ONE_VALUE}(?: [\w']+){{0,4}}\W*\Z",
    re.IGNORECASE,
)
_HYPOTHETICAL = re.compile(
    r"\b(?:if|unless|whether|suppose|(?<!I )would|could|might|for example|e\.g|between)\b",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(r"[.!?][\"')*]*\s+|[;\n]\s*")
#: An answer has been given already when a caveat opens a new sentence or turns on one.
_ANSWER_BEFORE = re.compile(r"\w[.!]\s|\b(?:but|though|although)\b", re.IGNORECASE)


def abstained(text: str) -> bool:
    """Whether a reply leaves the question unanswered, by rules on its final part (after </think>).

    It declines, asks back or corrects a premise, and does not settle on an answer after that. The
    rules are for English; how often they agree with a person is measured on `labelled_responses()`.
    An empty final part is no abstention: it is no answer.
    """
    final = plain(split_trace(text)[1]).replace("’", "'")
    declines = list(_DECLINE.finditer(final))
    if not declines:
        caveats = _CAVEAT.finditer(final)
        declines = [m for m in caveats if not _ANSWER_BEFORE.search(final[: m.start()])]
    if not declines:
        return False
    same, *later = _CLAUSE_END.split(final[declines[-1].end() :])
    settles = [same] if _TURNS.search(same) else []
    settles += [clause for clause in later if _TURNS.search(clause) or _STATES.search(clause)]
    return all(_HYPOTHETICAL.search(clause) for clause in settles)


def labelled_responses() -> pd.DataFrame:
    """The hand-labelled replies that measure the rules, one a row: see data/questions/README.md."""
    return pd.read_json(LABELLED, lines=True)
