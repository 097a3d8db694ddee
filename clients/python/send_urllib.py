"""Python without any package: python3 send_urllib.py ADDRESS KEY INVOICE CSV FILM"""
import json
import sys
import uuid
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

bff, key, invoice, csv, film = sys.argv[1:]
run = uuid.uuid4()


def ask(method, path, body=None, headers=None, with_key=key):
    """The status, the headers and the body; a refusal is an answer like any other."""
    request = Request(f"{bff}{path}", body, {"Authorization": f"Bearer {with_key}", **(headers or {})}, method=method)
    try:
        with urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except HTTPError as refusal:
        return refusal.code, refusal.headers, refusal.read()


def send_template():
    """The same key is the same message, however often it is asked for."""
    body = {
        "to": "14155551000",
        "template": "order_update",
        "parameters": {"customer_name": "José", "order_id": "A-1001", "order_status": "shipped"},
    }
    headers = {"Content-Type": "application/json", "Idempotency-Key": f"urllib-{run}"}
    status, headers, answer = ask("POST", "/v1/messages/template", json.dumps(body).encode(), headers)
    return status, headers, json.loads(answer)


def upload(path, file, name, with_key=key, **query):
    """urllib writes no forms: one part between two boundaries."""
    boundary = uuid.uuid4().hex
    file_name = Path(file).name.replace('"', "%22")
    disposition = f'Content-Disposition: form-data; name="file"; filename="{file_name}"'
    body = f"--{boundary}\r\n{disposition}\r\n\r\n".encode() + Path(file).read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Idempotency-Key": f"urllib-{name}-{run}",
    }
    status, _, answer = ask("POST", f"{path}?{urlencode(query)}", body, headers, with_key)
    return status, json.loads(answer)


def follow(broadcast):
    """Server-sent events; the stream ends with the broadcast."""
    event = data = None
    request = Request(f"{bff}/v1/broadcasts/{broadcast}/events", headers={"Authorization": f"Bearer {key}"})
    with urlopen(request, timeout=60) as stream:
        for line in stream:
            name, _, value = line.decode().rstrip("\r\n").partition(": ")
            if name == "event":
                event = value
            if name == "data":
                data = json.loads(value)
    return event, data


status, _, _ = ask("HEAD", "/v1/templates")
print(f"templates, by HEAD: {status}")

status, _, first = send_template()
print(f"template: {status} {first['status']}")
status, headers, again = send_template()
same = str(again["id"] == first["id"]).lower()
print(f"template again: {status} {again['status']}, replayed: {headers['Idempotency-Replayed']}, the same: {same}")

status, sent = upload("/v1/messages/file", invoice, "file", to="14155551000", caption="Grüße")
print(f"file: {status} {sent['status']} {sent['fileName']}")

status, imported = upload("/v1/broadcasts/import", csv, "import", template="order_update", broadcastName="march")
print(f"import: {status} {imported['counts']['total']}")
event, broadcast = follow(imported["id"])
print(f"events: {event}, {broadcast['counts']['accepted']} accepted")

status, problem = upload("/v1/messages/file", film, "film", with_key=f"{key}x", to="14155551000")
print(f"another key: {status} {problem['type']}")

status, _, body = ask("POST", "/v1/messages/text", b"Hello", {"Content-Type": "text/plain"})
print(f"another type: {status} {json.loads(body)['type']}")
