"""Reads UK postcodes: law, no more than the outward code ("BB1") leaves this module.

The form is that of BS 7666-0 annex C and Royal Mail's Programmer's Guide to the Postcode Address File:
outward code (area, district), a space, inward code (a digit, two letters not of CIKMOV).
"""

import re

# The 124 postcode areas (Royal Mail, PAF), those of the crown dependencies included.
# fmt: off
AREAS = frozenset((
    "AB", "AL", "B", "BA", "BB", "BD", "BH", "BL", "BN", "BR", "BS", "BT", "CA", "CB", "CF", "CH", "CM", "CO", "CR",
    "CT", "CV", "CW", "DA", "DD", "DE", "DG", "DH", "DL", "DN", "DT", "DY", "E", "EC", "EH", "EN", "EX", "FK", "FY",
    "G", "GL", "GU", "GY", "HA", "HD", "HG", "HP", "HR", "HS", "HU", "HX", "IG", "IM", "IP", "IV", "JE", "KA", "KT",
    "KW", "KY", "L", "LA", "LD", "LE", "LL", "LN", "LS", "LU", "M", "ME", "MK", "ML", "N", "NE", "NG", "NN", "NP",
    "NR", "NW", "OL", "OX", "PA", "PE", "PH", "PL", "PO", "PR", "RG", "RH", "RM", "S", "SA", "SE", "SG", "SK", "SL",
    "SM", "SN", "SO", "SP", "SR", "SS", "ST", "SW", "SY", "TA", "TD", "TF", "TN", "TQ", "TR", "TS", "TW", "UB", "W",
    "WA", "WC", "WD", "WF", "WN", "WR", "WS", "WV", "YO", "ZE",
))
# fmt: on
# District letters: A-HJKPSTUW after one area letter, ABEHMNPRVWXY after two (BS 7666-0, annex C).
_DISTRICT = re.compile(r"([A-Z]{1,2})(\d\d?|\d[A-Z])")
_INWARD = re.compile(r"\d[ABD-HJLNP-UW-Z]{2}")
_ONE_LETTER_DISTRICTS = frozenset("ABCDEFGHJKPSTUW")
_TWO_LETTER_DISTRICTS = frozenset("ABEHMNPRVWXY")


def outward_code(text: str) -> str | None:
    """The outward code in capitals ("BB1") of an area a person typed, whole or outward only, however spaced.

    None if that is no UK postcode or outward code. Whether the place exists is not looked up.
    """
    typed = re.sub(r"[\s.\-]+", "", text[:64]).upper()
    if len(typed) > 4 and _INWARD.fullmatch(typed[-3:]) and (outward := _outward(typed[:-3])):
        return outward
    if len(typed) > 4 and typed[-3] == "O" and _INWARD.fullmatch("0" + typed[-2:]):
        return _outward(typed[:-3])
    return _outward(typed)


def _outward(typed: str) -> str | None:
    """`typed` itself if it is an outward code; a letter O typed for a nought in the district is put right."""
    corrected = re.sub(r"(?<=\d)O$", "0", typed)
    found = _DISTRICT.fullmatch(corrected)
    if not found or found[1] not in AREAS:
        return None
    area, district = found[1], found[2]
    allowed = _ONE_LETTER_DISTRICTS if len(area) == 1 else _TWO_LETTER_DISTRICTS
    if district[-1].isalpha() and district[-1] not in allowed:
        return None
    if len(district) == 2 and district[0] == "0":
        return None
    return corrected
