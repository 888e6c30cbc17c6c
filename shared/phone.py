"""Phone numbers as E.164, the only form in which they are kept (ITU-T E.164: a plus and at most 15 digits)."""

import phonenumbers

from shared.errors import Invalid

REGION = "GB"


def to_e164(text: str) -> str:
    """A number as somebody typed it ("07700 900123", "+48 …") in E.164. Raises Invalid.

    The test is "possible", not "valid": Ofcom's range for drama, 07700 900000 to 900999, must pass.
    """
    try:
        number = phonenumbers.parse(text, REGION)
    except phonenumbers.NumberParseException as e:
        raise _unlike() from e
    possible = phonenumbers.ValidationResult.IS_POSSIBLE  # And not "within one town": nobody could be answered there.
    if phonenumbers.is_possible_number_with_reason(number) != possible:
        raise _unlike()
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _unlike() -> Invalid:
    return Invalid("phone-number-unlike", "This does not look like a phone number. Write it like 07700 900123.")
