"""requests: python3 send_requests.py ADDRESS KEY INVOICE CSV FILM"""
import json
import sys
import uuid

import requests

bff, key, invoice, csv, film = sys.argv[1:]
run = uuid.uuid4()
session = requests.Session()
session.headers["Authorization"] = f"Bearer {key}"
timeout = 60  # without one, requests waits for ever


def send_template():
    """The same key is the same message, however often it is asked for."""
    return session.post(
        f"{bff}/v1/messages/template",
        headers={"Idempotency-Key": f"requests-{run}"},
        json={
            "to": "14155551000",
            "template": "order_update",
            "parameters": {"customer_name": "José", "order_id": "A-1001", "order_status": "shipped"},
        },
        timeout=timeout,
    )


def upload(path, file, name, **query):
    with open(file, "rb") as content:
        return session.post(
            f"{bff}{path}",
            params=query,
            headers={"Idempotency-Key": f"requests-{name}-{run}"},
            files={"file": content},
            timeout=timeout,
        )


def follow(broadcast):
    """Server-sent events; the stream ends with the broadcast."""
    event = data = None
    with session.get(f"{bff}/v1/broadcasts/{broadcast}/events", stream=True, timeout=timeout) as stream:
        for line in stream.iter_lines():
            name, _, value = line.decode().partition(": ")
            if name == "event":
                event = value
            if name == "data":
                data = json.loads(value)
    return event, data


head = session.head(f"{bff}/v1/templates", timeout=timeout)
print(f"templates, by HEAD: {head.status_code}")

first = send_template()
print(f"template: {first.status_code} {first.json()['status']}")
again = send_template()
same = str(again.json()["id"] == first.json()["id"]).lower()
print(
    f"template again: {again.status_code} {again.json()['status']},"
    f" replayed: {again.headers['Idempotency-Replayed']}, the same: {same}"
)

sent = upload("/v1/messages/file", invoice, "file", to="14155551000", caption="Grüße")
print(f"file: {sent.status_code} {sent.json()['status']} {sent.json()['fileName']}")

imported = upload("/v1/broadcasts/import", csv, "import", template="order_update", broadcastName="march")
print(f"import: {imported.status_code} {imported.json()['counts']['total']}")
event, broadcast = follow(imported.json()["id"])
print(f"events: {event}, {broadcast['counts']['accepted']} accepted")

session.headers["Authorization"] = f"Bearer {key}x"
refused = upload("/v1/messages/file", film, "film", to="14155551000")
print(f"another key: {refused.status_code} {refused.json()['type']}")

session.headers["Authorization"] = f"Bearer {key}"
refused = session.post(
    f"{bff}/v1/messages/text", headers={"Content-Type": "text/plain"}, data="Hello", timeout=timeout
)
print(f"another type: {refused.status_code} {refused.json()['type']}")
