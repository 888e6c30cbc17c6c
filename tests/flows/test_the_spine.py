"""The main job on a whole hub: words in any of five languages are answered in that language and counted."""

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

FIVE = {
    "en-GB": ("+447700900101", "I waited three weeks for an appointment with the doctor.", "Thank you"),
    "pl": ("+447700900102", "Czekam już trzy tygodnie na wizytę u lekarza.", "Dziękujemy"),
    "ur": ("+447700900103", "ڈاکٹر سے ملاقات کے لیے تین ہفتے انتظار کرنا پڑتا ہے۔", "شکریہ"),
    "ar": ("+447700900104", "أنتظر موعد الطبيب منذ ثلاثة أسابيع.", "شكرا"),
    "pa": ("+447700900105", "ਡਾਕਟਰ ਨੂੰ ਮਿਲਣ ਲਈ ਤਿੰਨ ਹਫ਼ਤੇ ਉਡੀਕ ਕਰਨੀ ਪੈਂਦੀ ਹੈ।", "ਧੰਨਵਾਦ"),
}


def test_the_main_job_from_a_text_to_its_answer_and_its_theme(make_hub, eventually):
    people = make_hub()

    for number, words, _ in FIVE.values():
        people.text(number, words)

    for language, (number, _, thanks) in FIVE.items():
        eventually(lambda number=number: people.answers_to(number), within=20)
        answer = "".join(people.answers_to(number))
        assert thanks in answer.replace("\u064b", ""), f"{language}: {answer}"
    eventually(lambda: people.feed(), within=20)
    assert all(item["people"] == "*" for item in people.feed()), "five people are too few to be counted openly"

    # A polite STOP is confirmed once, and then nothing more is sent until START.
    number = FIVE["pl"][0]
    before = len(people.answers_to(number))
    people.text(number, "proszę przestać")
    eventually(lambda: len(people.answers_to(number)) == before + 1)
    people.text(number, "Jeszcze jedno: parking jest za drogi.")
    facts = people.database("insights")["facts"]
    eventually(lambda: facts.count_documents({"channel": "sms"}) == 6)
    assert len(people.answers_to(number)) == before + 1
    people.text(number, "START")
    eventually(lambda: len(people.answers_to(number)) == before + 2)

    # With the broker away people still give feedback; it is counted and answered when the broker is back.
    people.hub.broker.kill()
    accepted = people.post(
        {"text": "The nurse was kind.", "contact": {"phone": "+447700900109"}, "may_answer": True}, key="no-broker"
    )
    assert accepted.status == 201
    people.hub.start_broker()
    eventually(lambda: people.answers_to("+447700900109"), within=60)

    # With the database away the sender gets an honest error that makes a gateway try again.
    people.hub.mongod.kill()
    refused = people.post({"text": "Nobody can save this."}, key="no-database")
    page = people.http.request(
        "POST", people.hub.url("engagement") + "/?lang=ur", fields={"text": "یہ محفوظ نہیں ہو سکتا"},
        encode_multipart=False, headers={"Accept": "text/html"},
    )  # fmt: skip
    assert refused.status == 503
    assert refused.headers["Retry-After"]
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert page.status == 503
    assert 'lang="ur"' in page.data.decode()
    people.hub.start_mongod()
    accepted = people.post_until_accepted({"text": "Nobody can save this."}, key="no-database")
    again = people.post({"text": "Nobody can save this."}, key="no-database")
    assert again.json()["reference"] == accepted["reference"]
