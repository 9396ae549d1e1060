"""The words by which a reply declines, by kind, those that turn back to an answer, and courtesies.

All are for plain text with one kind of apostrophe: `trace.flat`.
"""

from __future__ import annotations

import re

UNKNOWN, REFUSES, MISSING = "does not know", "refuses", "information missing"
SEVERAL, PREMISE, ASKS = "no single answer", "premise false", "asks back"
TASTE, OLD, UNREAD = "taste", "may be out of date", "unread"

_CANNOT = r"(?:can't|cannot|can not|couldn't|could not|can never)"
_ABOUT_IT = (
    r"(?:information|info|data|details?|context|facts?|evidence|clues?|numbers?|values?|given)"
)
_GIVEN = (
    r"(?:told|given|stated|mentioned|specified|provided|said|known|defined|clear|recorded|measured"
    r"|listed|included|described|disclosed|indicated|supplied|available|determined|named|shown)"
)
#: Up to another "if", within a sentence
_TO_IF = r"(?:(?!\bif\b)[^.?!\n=]){0,80}"
#: Ways to leave a question unanswered. Not "I didn't know": what was unknown at first may be known.
PHRASES = {
    UNKNOWN: (
        r"\b(?:would|could|can) (?:only |just )?be (?:\w+ )?(?:a guess|guess(?:ing|work)"
        r"|speculation|made up"
        r"|making|speculating)\b|\b(?:can|could) only speculate\b|\bspeculative\b|\bmystery\b"
        r"|\boutside (?:of )?(?:what I know|my|the scope)\b|\bnothing to (?:go on|work with|base)\b"
        r"|\b(?:have|'d have|need) to ask\b|\bask \w+[.!]|\bonly (?:the )?\w+ (?:know|knows|can"
        r" say)\b"
        r"|\b(?:nobody|scientists|historians|experts|scholars|people|they)(?: still)? don't(?:"
        r" yet)? know\b"
        r"|\bno (?:\w+ )?records? (?:survive|exist|remain)\b|\b(?:little|nothing|not much) is"
        r" known\b"
        r"|\b(?:have|has)(?:n't| not) (?:yet )?been (?:established|determined|settled|found"
        r"|decided)\b"
        r"|\b(?:yet )?to be determined\b|\btbd\b|\btime will tell\b|\bwait and see\b|\bup in the"
        r" air\b"
        r"|\bit (?:escapes|eludes|beats) me\b|\bI (?:forget|have forgotten|forgot)(?=[.!])|\bout"
        r" of ideas\b"
        r"|\bdraw(?:ing)? a blank\b|\bat a loss\b|\bI'm lost\b|\bno can do\b|\bcannot compute\b"
        r"|\bis blank\b",
        r"(?:^|[.!?,;:] ?|\A)(?:idk|no idea|no clue|dunno|beats me|not sure|not known)"
        r"(?: (?:man|lol|sorry|really|yet|honestly|at all|here|tbh|mate|i'm"
        r" afraid))?(?=[.!,;:?)]|\Z|\n)"
        r"|(?:\A|[.!?:] )\w+ unknown(?=[.!]|\Z)",
        r"(?:^|[.!?,;:] ?|\A|\bsorry,? )(?:undefined|unspecified|undecidable|unknowable"
        r"|unavailable|skip"
        r"|no (?:data|information|info|solution|result)|none (?:given|stated)|not a clue)"
        r"(?= ?(?:[.!,;:?)]|\Z|\n))",
        r"\bis silent (?:on|about)\b|\b(?:I'm|I am|we're|we are) not in a position to\b"
        r"|\bwouldn't know\b|\b(?:foggiest|faintest)\b"
        r"|\b(?:god|heaven|goodness|lord) knows\b|\banybody's guess\b|\bgot me (?:there|on)\b"
        r"|\bmystery to (?:me|us)\b|\bonly \w+ (?:\w+ )?knows? that\b|\bneither confirm nor deny\b"
        r"|\b(?:nobody|no one|no-one|we|I) (?:can|could) (?:foresee|predict)\b",
        r"\b(?:and|so|but) (?:\w+ )?(?:can't|cannot|don't|couldn't) (?:\w+ )?(?:know|tell|say"
        r"|determine)\b"
        r"|\bI (?:don't|do not|didn't|can't|cannot) (?:\w+ )?(?:understand|follow|get (?:it|this"
        r"|the))\b"
        r"|\btoo (?:hard|difficult|tricky) for me\b|\A\W*sorry\W*\Z|\bif I knew\b"
        r"|\bI (?:can't|cannot|can not|won't)(?=[.!](?: |\Z))"
        r"|\bbut not (?:how|what|which|who|when|where)\b"
        r"|\ban? (?:unknown|unspecified|unstated) (?:amount|number|quantity|price|sum|count"
        r"|value)\b",
        r"\b(?:I|we|you|one)(?: \w+)? (?:don't|do not|can't|cannot|can not|couldn't|could not"
        r"|(?:am|are|is|was|were) unable to|(?:am|are|is|was|were) not able to|wasn't able to"
        r"|'m not able to|'m unable to)(?: \w+){0,2}? (?:know|tell|say|determine|answer|compute"
        r"|calculate|work|figure|find|conclude|solve|decide|give|put|predict|infer|verify|provide"
        r"|learn|look up|be sure|be certain|locate|deduce|derive|establish|identify|recall|see how"
        r"|see any way)\b",
        r"\bI'm (?:not able|unable) to\b"
        r"|\b(?:I|we) (?:can't|cannot|couldn't) make an? (?:\w+ )?(?:statement|claim|judge?ment"
        r"|choice|answer)\b",
        r"(?:^|[.!?:;,]\s+)(?:sorry,? )?(?:can't|cannot|can not|couldn't|don't|do not)"
        r" (?:\w+ )?(?:tell|say|know|determine|answer|be (?:sure|certain))\b",
        r"\bno (?:way|means) (?:to|of|that)\b|\bno telling\b"
        r"|\bno (?:\w+ ){0,2}(?:answer|number|figure|basis)\b",
        r"\b(?:have|has|with|'ve) no (?:\w+ )?(?:idea|clue|information|data|record|knowledge|way"
        r"|access|answer)\b",
        r"\b(?:nobody|no one|no-one) (?:can |could )?(?:\w+ )?(?:knows?|says?|tells?)\b(?! better)",
        rf"\b{_CANNOT} (?:\w+ )?be (?:\w+ )?(?:determined|answered|known|calculated|computed|solved"
        r"|found|told|worked out|said|established|inferred|decided|settled|predicted|derived"
        r"|deduced"
        r"|concluded|figured out|ascertained|given)\b",
        r"\b(?:impossible|not possible|hard|difficult|tough|unable) to (?:say|tell|know|determine"
        r"|answer|calculate|compute|work|give|decide|find|solve|pin|locate|conclude)\b",
        r"\b(?:is|are|remains?|stays?|'s) (?:\w+ )?(?:unknown|undetermined|unclear|uncertain"
        r"|unspecified|undefined|unknowable|unsolvable|unresolved|indeterminate|undeterminable"
        r"|indeterminable|underdetermined|inconclusive)\b",
        r"\b(?:is|are|remains?|stays?) (?:an? |left |still )?open\b(?= question|\W*(?:\Z|\n"
        r"|[.!;] ))",
        r"\bunanswerable\b|\banyone's guess\b|\blost to history\b|\bunsolvable\b|\bindetermina\w+"
        r"|\bundeterminable\b|\byour guess is as good as mine\b|\bwho knows\b|\bunknowable\b",
        r"(?:^|[.!?,;:] ?|\bsorry,? |\bwell,? |\bhonestly,? |\A)(?:absolutely |really )?"
        r"(?:unknown|idk|dunno|n/ ?a|no (?:earthly )?(?:clue|idea)|beats me|search me|not sure"
        r"|undetermined|unsure|uncertain|unclear|not known|not determinable|not certain|no answer"
        r"|can't say|couldn't say|hard to say|pass|unsolvable|inconclusive)\b(?= ?(?:[.!,;:?)]"
        r"|\Z|\n))",
        r"\b(?:I'm|I am|we're|we are) (?:\w+ )?(?:not|un)(?: (?:\w+ )?)?(?:sure|certain)\b"
        r"(?! (?:it|why|if I (?:made|did)|you))",
        r"\b(?:haven't|have not|hasn't|don't have|do not have|doesn't have|without)"
        r" (?:\w+ )?(?:a|any|the)(?: \w+)? (?:clue|idea|notion|inkling|answer|way)\b",
        r"\b(?:I'll|I'd|I will|I|we'll|let me|let's|going|gonna) (?:\w+ )?(?:have to |need to "
        r"|must |to )?(?:pass|skip)\b(?= (?:on|this|that|here)|\W*\Z|[.!])|\bI give up\b|\bI'm"
        r" stumped\b"
        r"|\b(?:that|this|it)(?: one)?(?: is|'s) beyond (?:me|what|my)\b|\bI couldn't tell you\b"
        r"|\bno (?:\w+ )?(?:conclusion|total|result|answer) (?:can|could|follows|is possible)\b"
        r"|\bnot (?:determinable|answerable|solvable|computable|knowable)\b"
        r"|\b(?:have to|can only|could only|would be|only be) guess(?:ing|work)?\b(?! \w* ?\d|:)"
        r"|\bis(?:n't| not) (?:\w+ )?(?:possible|something)\b"
        r"|\bnone of the \w+ (?:given |here )?(?:lets?|tells?|helps?|allows?|says?)\b"
        r"|\bI (?:don't|do not) have the (?:ability|means)\b"
        r"|\bI lack\b|\bbeyond my knowledge\b|\beludes me\b",
    ),
    REFUSES: (
        r"\bmaintain(?:ing)? (?:\w+ )?neutrality\b|\b(?:remain|stay|be) (?:\w+ )?neutral\b",
        r"\bin good conscience\b|\bgoing to have to (?:decline|pass)\b|\bthat's (?:private"
        r"|confidential)\b",
        r"\bI (?:won't|will not|shouldn't|should not|mustn't) (?:answer|say|guess|speculate|give"
        r"|tell)\b"
        r"|\bdon't feel comfortable\b",
        rf"\bI(?:'m afraid I)? (?:really )?(?:{_CANNOT}|won't|will not|am unable to|must decline"
        rf" to)"
        r" (?:\w+ )?(?:assist|help|comply|fulfil\w*|respond|discuss|continue|engage|do that|share"
        r"|support|complete|process|offer|generate|create|disclose|reveal|participate"
        r"|accommodate)\b",
        r"\bI(?:'m| am) (?:afraid I |sorry,? (?:but )?I )?(?:not able|unable|not allowed"
        r"|not permitted|not going|not comfortable)\b",
        r"\b(?:I|we)(?:'d| would)? (?:must |have to |need to |will |respectfully |politely"
        r" )*decline\b"
        r"|\brather not\b|\b(?:prefer|choose) not to\b|\bI refuse\b|\bnot something I can\b"
        r"|\bagainst (?:my|our) (?:guidelines|policy|policies|rules|programming)\b",
        r"\b(?:don't|do not) want to (?:say|state|give|guess|answer)\b"
        r"|\bI(?:'d| would) (?:not|be unable)\b[^.]{0,20}\b(?:guess|speculate|answer)\b"
        r"|\bno comment\b|\bI won't (?:answer|say|guess|speculate|give|tell)\b",
    ),
    MISSING: (
        r"\b(?:question|message|prompt|problem|input|part of \w+ \w+) (?:\w+ ){0,4}(?:is|was"
        r"|were|been) "
        r"(?:\w+ )?(?:cut off|too vague|vague|garbled|incomplete)\b"
        r"|\b(?:question|message|prompt) (?:seems|appears|looks) (?:to be )?(?:cut off"
        r"|incomplete|vague)\b"
        r"|\btoo vague\b|\b(?:question|problem) (?:unclear|incomplete)\b|\bunclear (?:question"
        r"|problem)\b"
        r"|\bkeeps? quiet\b|\b(?:I'm|we're|we are|I am) missing\b|\b(?:isn't|is not) part of\b"
        r"|\bneed (?:a (?:bit|little) )?more (?:context|information|details?|data)\b|\bneed one"
        r" more\b",
        r"\b(?:I|we|you|one)(?:'d| would)? (?:\w+ )?need (?:the|her|his|their|its|an?|more)"
        r" (?:\w+ ){0,3}"
        r"(?:amount|number|price|count|quantity|size|value|rate|total|cost|distance|speed|weight"
        r"|length"
        r"|date|year|name|figure|details?|information)s?\b"
        r"|\b(?:is|are|would be) (?:\w+ )?(?:needed|required|necessary) to (?:answer|know|say"
        r"|tell|solve"
        r"|calculate|compute|determine|work)\b|\bnecessary to know\b",
        rf"\b(?:isn't|is not|aren't|are not|wasn't|weren't|was not|were not|never|not) (?:\w+"
        rf" )?{_GIVEN}\b",
        r"\b(?:isn't|is not|aren't|are not|wasn't|was not|appears? nowhere) (?:\w+ )?in (?:the"
        r"|this)"
        r" (?:problem|question|story|text|passage|prompt|data)\b|\bnowhere in the\b"
        r"|\b(?:left out|omitted|absent)\b(?! \d)",
        rf"(?:\bnot|n't|\bwithout) (?:have |get |contain )?(?:enough|sufficient)\b"
        rf"(?= (?:\w+ )?{_ABOUT_IT}\b| (?:is |was )?(?:\w+ )?(?:to (?:say|tell|know|answer|go on"
        rf"|solve"
        rf"|determine|work|decide|calculate|compute|conclude|figure)|given|known)|\W*\Z|[.!;])",
        rf"\b(?:insufficient|too little|too few) {_ABOUT_IT}\b|\binsufficient\b(?! (?:money|funds))"
        rf"|\b(?:lack|lacks|lacking|missing) (?:\w+ ){{0,3}}{_ABOUT_IT}\b|\bmissing:"
        rf"|\b{_ABOUT_IT} (?:\w+ )?(?:is|are|seems?|was) (?:\w+ )?(?:missing|lacking|incomplete)\b"
        r"|\b(?:problem|question|story|statement) (?:\w+ ){0,3}(?:is|seems|appears|looks) (?:to"
        r" be )?"
        r"(?:\w+ )?(?:incomplete|underspecified|under-specified|missing)\b"
        r"|\b(?:price|amount|total|count|rate|cost|figure|distance|speed|quantity|starting \w+"
        r"|piece"
        r"|part|step) (?:\w+ ){0,4}(?:is|are|seems?) (?:\w+ )?missing\b",
        r"\b(?:doesn't|does not|don't|do not|didn't|did not|never) (?:\w+ )?(?:says?|tells?"
        r"|mentions?|states?|specify|specifies|gives?|provides?|includes?|contains?|indicates?"
        r"|appears?|settle|list|lists|reveal|reveals|supply|learn|disclose)\b",
        rf"\b(?:don't|do not|doesn't|does not) have (?:that|this|the|any|such|enough|all the) "
        rf"(?:\w+ )?{_ABOUT_IT}\b",
        r"\bfails? to (?:mention|state|say|give|specify|tell|provide|include)\b"
        r"|\b(?:leaves|left) out (?:the|how|what|who|when)\b|\bomits\b|\bhelp to know\b"
        r"|\bsays nothing about\b|\b(?:there is|there's) nothing\b"
        r"|\bnothing (?:\w+ ){0,3}(?:favours|favors|settles|says|tells|about|is said|is given)\b",
        r"\b(?:need|needs|have|has) to know\b(?<!n't need to know)"
        r"|\bneed (?:\w+ )?(?:more|additional|further) (?:information|context|details?|data)\b"
        r"|\b(?:would|'d) (?:\w+ )?need (?!\$?\d)(?:\w+ ){0,8}(?:first|before|to (?:answer|say"
        r"|know|tell"
        r"|work|calculate|compute|determine|solve|figure|be))\b"
        r"|\b(?:more|additional|further) (?:information|context|details?|data) (?:is|are|would be)"
        r" (?:\w+ )?(?:needed|required|necessary)\b|\brequires? (?:more|additional|further) "
        r"(?:information|context|details?|data)\b",
        rf"\bno (?!\w+ (?:is|was) (?:left|there))(?:\w+ ){{1,5}}(?:is|was|were|are|has been|have"
        rf" been)"
        rf" (?:\w+ )?{_GIVEN}\b",
        r"\b(?:story|text|problem|question|passage) (?:has|contains|gives|mentions|provides) no\b"
        r"|\b(?:without|unless) (?:knowing|being told|we know|I know|you tell|more|further"
        r"|additional)\b",
    ),
    SEVERAL: (
        r"\bmore than one (?:\w+ )?(?:answer|reading|meaning|solution|value)\b"
        r"|\b(?:two|several|both|many) (?:\w+ )?(?:are|would be|seem) possible\b"
        r"|\bboth (?:\w+ and \w+ )?(?:fit|work|are possible)\b",
        r"\bdepending on\b|\b(?:it|that|this|answers?) (?:\w+ )?var(?:y|ies)\b",
        r"\b(?:has|is|are|have|gets?|be) (?:\d* ?[b-hj-z] ?[-+*/] ?\d+|\d+ ?[-+*/] ?\d*"
        r" ?[b-hj-z])\b"
        r"(?! ?[=\w])",
        r"\bambiguous\b(?! \d)|\b(?:two|several|multiple|many|different|more than one) (?:\w+ )?"
        r"(?:readings|meanings|interpretations|possible answers|correct answers)\b"
        r"|\b(?:could|might|may|can) (?:be|mean|refer to) (?:either|both|\w+ or)\b",
        rf"\bif\b{_TO_IF}\d{_TO_IF}(?:[,;]|\b(?:while|whereas|but))(?: (?:and|but|or|while"
        rf"|whereas))?"
        rf" if\b{_TO_IF}[\d,]{_TO_IF}\d|\bif\b{_TO_IF}, {_TO_IF}\d{_TO_IF} and if\b{_TO_IF}\d"
        rf"|\bif\b{_TO_IF}\d{_TO_IF}[.] If\b{_TO_IF}\d",
        r"\bdepends\b|\b(?:will|would|may|might|can) (?:\w+ )?depend on\b",
        r"\bno (?:single|unique|one) (?:\w+ )?(?:answer|solution)\b|\bnot unique\b"
        r"|\binfinitely many\b|\bany (?:number|value) (?:\w+ )?(?:is|would|could|works)\b",
        r"\b(?:where|with|without) [b-hj-z]\b"
        r"(?! (?:and \w )?(?:is|are) (?:any |some |an? )?(?:integer|whole|natural|real|positive))",
    ),
    ASKS: (
        r"\bplease be more\b",
        r"\byou (?:\w+ )?(?:mean|meant|refer|referring|asking|talking|thinking"
        r"|have in mind)\b[^.]{0,100}\?",
        r"\b(?:could|can|would|will) you (?:please )?(?:clarify|specify|tell|provide|share|be more"
        r"|give|say|check|confirm|explain)\b",
        r"\bplease (?:clarify|specify|provide|share|tell|give|confirm"
        r"|let me know(?! if (?:you|there|I|that|this)))\b",
        r"\b(?:let me know|tell me|give me|share) (?:\w+ )?(?:how many|how much|what|which|who"
        r"|where"
        r"|when|the (?:\w+ )?(?:number|amount|price|count|value|name|start\w*|missing|details?))\b",
        r"\?[\"')]*\s*\Z",
        r"\A[^.!?]*\?\s+if you\b",
    ),
    TASTE: (
        r"\bmatter of debate\b|\bdebatable\b|\bup for debate\b|\bto each (?:their|his|her) own\b"
        r"|\ball relative\b|\bboth equally\b|\bhave their (?:\w+ )?(?:merits|strengths|charms?)\b"
        r"|\bdifferent for every(?:one|body)\b",
        r"\b(?:opinions|tastes|views) (?:\w+ )?(?:differ|vary)\b|\beveryone has (?:their|his"
        r"|her) own\b"
        r"|\b(?:comes|boils) down to (?:\w+ )?(?:taste|preferences?|opinion)\b"
        r"|\b(?:don't|do not) have (?:personal|feelings|a favou?rite|any personal|my own)\b",
        r"\b(?:matter|question) of (?:\w+ )?(?:taste|opinion|preference|perspective|judge?ment)\b",
        r"(?:\bno|(?:\bnot|n't) (?:a|one)) (?:\w+ )?(?:right|correct|best|better|objectively"
        r"|definitive|universal|single|true|magic|consensus)\b|\bno fact of the matter\b"
        r"|\bneither is better\b",
        r"\b(?:is|are|it's|that's) (?:\w+ ){0,2}(?:subjective|personal)\b|\beye of the beholder\b",
        r"\b(?:up to|for) \w+ to (?:decide|say|judge)\b"
        r"|\b(?:up to|as you|as (?:he|she|they)) (?:you|likes?)\b",
        r"\b(?:no|don't have|do not have|none of) (?:\w+ ){0,2}(?:preferences?|opinions?|my own)\b"
        r"|\bpeople (?:\w+ )?differ\b",
        r"\b(?:based|depend\w*|up|according) (?:on|to) (?:your|one's|individual|personal)\b"
        r"|\b(?:reflects?|suits?|match(?:es)?) your (?:own |personal )?(?:style|tastes?"
        r"|preferences?|needs)\b",
        r"\bdisagree\b",
    ),
    PREMISE: (
        r"\b(?:there is|there's) nobody\b|\bnobody (?:named|called|by that name)\b"
        r"|\b(?:doesn't|does not) have (?:that|so|as) many\b|\btoo few\b(?! for)",
        r"\b(?:(?:is|was|are|were) not|(?:is|was|are|were)n't) an? (?:real|actual)\b",
        r"\btrick question\b|\b(?:that's|that is|this is|it's|it is|is|are|isn't) (?:simply "
        r"|just )?"
        r"(?:not (?:actually )?true|untrue|not the case)\b",
        r"\bimpossible\b(?! to)|\bcontradict\w*|(?:\bmakes? no|\bnot make|n't make) sense\b"
        r"|\binconsistent\b",
        r"\bpremise\b|\bmisunderstanding\b|\bmisconception\b|\bmyth\b|\bassumes something\b",
        rf"\b(?:{_CANNOT}|isn't possible|is not possible)"
        r" (?:\w+ )?(?:have|happen|lose|lost|sell|sold|give|given|spend|spent|eat|eaten|be)\b",
        r"\b(?:there is|there's|there was|there were|there are) (?:no|never)\b"
        r"(?! (?:trick|need|doubt|problem|question|issue|change|difference|more)\b)",
        r"\bnever (?!mind\b|ending\b)\w+|\b(?:did not|didn't)(?! (?:know|matter|change|grow"
        r"|count)\b)",
        r"\bonly (?:ever )?(?:received|won|got|had) (?:a single|one)\b|\bjust the one\b"
        r"|\b(?:does|do) not exist\b|\b(?:doesn't|don't) exist\b|\bno such\b",
    ),
    # Ways to say that an answer may be old: they decline only when none stands before them.
    OLD: (
        r"\b(?:check|checking|consult|see) (?:\w+ )?(?:current|recent|live|official) \w+|\blook"
        r" that up\b"
        r"|(?<!years )(?<!days )(?<!months )(?<!hours )\bin the future[.!]"
        r"|\bonly have (?:data|information) (?:up )?(?:to|until)\b",
        r"\b(?:can't|cannot|unable to|not able to) (?:browse|access|search|look|check|see)\b",
        r"\breal[- ]time\b|\bup[- ]to[- ]date\b"
        r"|\b(?:live|current) (?:\w+ )?(?:prices?|information|data|access)\b"
        r"(?![^.!?\n]*\b(?:is|are|was)\b[^.!?\n]*\d)",
        r"\b(?:knowledge|training)(?: data)? (?:cut-?off|stops|ends|ended|only goes)\b"
        r"|\bmy training ended\b",
        r"\b(?:may|might|could) (?:well )?(?:have changed|be (?:out of date|outdated|old))\b"
        r"|\bout of date\b",
    ),
}
#: Words of a story as well: they decline only where nothing is calculated in their sentence.
OF_STORIES = re.compile(
    r"\b(?:did not|didn't|never|there (?:is|was|were|are) (?:no|never)|there's (?:no|never))\b"
    r"|\b(?:doesn't|does not|don't|do not|didn't|did not|never) (?:\w+ )?(?:gives?|includes?"
    r"|contains?)\b"
    r"|\b(?:not|n't) (?:\w+ )?(?:given|included)\b|\b(?:left out|absent|never)\b"
    rf"|\bdisagree\b|\b{_CANNOT} (?:\w+ )?(?:have|lose|sell|give|spend|eat|be)\Z",
    re.IGNORECASE,
)
DATED = re.compile(
    rf"\bas of (?:my|the) (?:last|latest|most recent|knowledge)\b|{'|'.join(PHRASES[OLD])}",
    re.IGNORECASE,
)
"""Any disclaimer that an answer may be old."""

BY_KIND = {kind: re.compile("|".join(phrases), re.IGNORECASE) for kind, phrases in PHRASES.items()}
KINDS = tuple(PHRASES)

_NUMBER_WORDS = (
    "zero|(?<!this )(?<!that )(?<!the )one(?! of)|two|three|four|five|six|seven|eight|nine|ten"
    "|eleven"
    "|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty"
    "|fifty"
    "|sixty|seventy|eighty|ninety|hundred|thousand|million|dozen"
)
_ONE_VALUE = rf"[$€£]?(?:-?\d[\d,.]*|\b(?:{_NUMBER_WORDS})\b)"
TURNS = re.compile(
    r"\b(?:but|however|still|so|therefore|thus|hence|probably|likely|presumably|guess|guessing"
    r"|estimates?|estimated|say"
    r"|go with|think|believe|suppose|assume|assuming|about|around|roughly|approximately|somewhere"
    r"|answer)\b"
    rf"[^?]{{0,100}}{_ONE_VALUE}"
    r"|\b(?:I'd|I would|I'll|I will) (?:say|guess|recommend|choose|pick|go|take)\b|\bI (?:lean"
    r"|choose|pick|vote|believe)\b"
    r"|\bI can tell you that the (?:best|most|\w+est)\b[^.!?]* (?:is|was|are)\b"
    r"|\bmy (?:vote|choice|pick|best guess|guess)\b|\bforce me\b|\bassuming\b|\b(?:most"
    r"|more) likely\b|\bI take it\b"
    rf"|= ?{_ONE_VALUE}|: {_ONE_VALUE}(?: [\w']+){{0,2}}\W*\Z",
    re.IGNORECASE,
)
"""A turn back to an answer after a decline: a word that announces a value, or a choice."""
STATES = re.compile(
    rf"\A\W*(?:[\w']+ ){{0,5}}(?:has|have|had|owns|makes|gets|is|are|with) (?:now "
    rf"|got )?{_ONE_VALUE}(?: [\w']+){{0,4}}\W*\Z"
    rf"|\b(?:is|are|gives|makes) {_ONE_VALUE}(?: [\w']+){{0,2}}\W*\Z"
    rf"|\A\W*{_ONE_VALUE}(?: [\w']+){{0,4}}\W*\Z"
    rf"|\A\W*{_ONE_VALUE}(?: [\w']+){{0,2}} (?:is|seems|sounds|looks) (?:about right|right|likely"
    r"|plausible|my best|(?:the|a) (?:usual|best|good|most|accepted|likely|common|official))",
    re.IGNORECASE,
)
"""A sentence of its own that states a value: short, or ending in one."""
NAMES = re.compile(
    rf"\s(?:is|are|was|were)(?: \w+)? {_ONE_VALUE}(?: [\w']+){{0,3}}\W*\Z", re.IGNORECASE
)
"""What makes a subject of the words before: "the missing number" is 12."""
SAYS_NOTHING = {
    UNKNOWN: re.compile(
        r"\b(?:I|we|one|nobody|no one)\b[^.!?;:]{0,40}(?:n't|\bnot|\bnever|\bunable|\bno"
        r"|\bhardly)\b"
        r"[^?]*[.!]\W*\Z",
        re.IGNORECASE,
    ),
    MISSING: re.compile(
        r"\b(?:question|problem|story|text|passage|information|info|data|details?|context|facts?"
        r"|answer|number|amount|count|quantity|total|price|statement|puzzle"
        r"|input)s?\b[^.!?;:]{0,50}"
        r"(?:n't|\bnot|\bnever|\bno|\bwithout|\blacks?|\bmissing|\babsent|\bunavailable|\bneither"
        r"|\bnothing|\bnowhere|\bimpossible)\b[^?]*[.!]\W*\Z",
        re.IGNORECASE,
    ),
}
"""What declines in the last sentence of a text that holds no number: a speaker, or what is asked,
with a negation.
"""
HYPOTHETICAL = re.compile(
    r"\b(?:if|unless|whether|(?<!I )suppose|(?<!I )would|could|might|for example|e\.g|between)\b",
    re.IGNORECASE,
)
COURTESIES = re.compile(
    r"\W*(?:(?:and|but|so|also|otherwise|please|if you(?:'d| would)? (?:like|want|wish"
    r"|prefer)),? )*(?:"
    r"if (?:that|this|it|anything|something|you)\b[^.!?]*, (?:please )?(?:feel free|just ask"
    r"|let me know(?! (?:how|wh))|don't hesitate|I(?:'m| am|'ll| can| will))[^.!?]*"
    r"|(?:would|do|did) you (?:like|want|prefer|need)(?: me)?(?: to| any| some| more| help|"
    r" an?\b)[^.!?]*"
    r"|want (?:me to|another|more|to (?:see|try|know|check)) [^.!?]*|(?:shall|should|may|can"
    r"|could) I (?:\w+ )?(?:help|explain|show|check|verify"
    r"|go|walk|assist|do|add|double|give|work|clarify|break|offer|provide|elaborate)[^.!?]*"
    r"|(?:let me know|just (?:ask|let)|feel free|don't hesitate|do not hesitate)"
    r"(?! (?:how many|how much|what\b|which|who|where|when|the ))[^.!?]*"
    r"|(?:I )?hope (?:this|that|it)[^.!?]*|(?:is|was) there anything else[^.!?]*"
    r"|(?:anything|something) else[^.!?]*|(?:do|if) you (?:\w+ )?(?:have|need) (?:any )?(?:other"
    r"|further|more"
    r"|questions?|help|anything|additional|another)[^.!?]*"
    r"|need (?:any(?:thing)?|more|further|some) [^.!?]*|any (?:other|more|further)?"
    r" ?questions[^.!?]*"
    r"|(?:I'm|I am|I'd be|I would be|always|glad|happy|here)(?: \w+)? (?:happy|glad|here"
    r"|available|pleased)?"
    r" ?(?:to|for) (?:help|assist|explain|answer|provide|check|walk|show|clarify|go|any|you)[^.!?]*"
    r"|how (?:else )?(?:can|may) I (?:help|assist)[^.!?]*|what else can I[^.!?]*"
    r"|(?:does|do|did) (?:that|this|it|the above|my \w+) (?:\w+ )?(?:help|make sense|answer|look"
    r"|sound|work)"
    r"[^.!?]*|make sense|(?:is|was) (?:that|this|it) (?:\w+ )?(?:right|correct|ok|okay|clear"
    r"|helpful"
    r"|what you)[^.!?]*|(?:right|ok|okay|correct|agreed|got it|see)"
    r"|(?:many )?(?:thanks|thank you)[^.!?]*|you're welcome[^.!?]*|(?:have|enjoy) (?:a|an|your"
    r"|the) [^.!?]*"
    r"|good luck[^.!?]*|cheers|best(?: regards| wishes)?|take care|bye|goodbye|happy \w+ing"
    r"|I can (?:also )?(?:help|explain|show|check|walk|double)[^.!?]*"
    r")[.!?\s\"')*:-]*",
    re.IGNORECASE,
)
"""A sentence that only closes politely or offers something."""
