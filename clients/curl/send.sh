#!/usr/bin/env bash
# curl: ./send.sh ADDRESS KEY INVOICE CSV FILM
set -euo pipefail
bff=$1 key=$2 invoice=$3 csv=$4 film=$5
run=$(date +%s%N)
answer=$(mktemp -d)
trap 'rm -rf "$answer"' EXIT

# The key comes from a file that only this script can read: arguments are seen by everybody on the machine.
(umask 077 && echo "header = \"Authorization: Bearer $key\"" >"$answer/key")

# Prints the status; the headers and the body are kept in files.
ask() { curl -sS --max-time 60 -K "$answer/key" -D "$answer/head" -o "$answer/body" -w '%{http_code}' "$@"; }
field() { jq -r ".$1" "$answer/body"; }
header() { tr -d '\r' <"$answer/head" | sed -n "s/^$1: //Ip"; }

echo "templates, by HEAD: $(ask --head "$bff/v1/templates")"

# The same key is the same message, however often it is asked for.
template() {
  ask "$bff/v1/messages/template" -H 'Content-Type: application/json' -H "Idempotency-Key: curl-$run" --data-binary @- <<'JSON'
{"to": "14155551000", "template": "order_update",
 "parameters": {"customer_name": "José", "order_id": "A-1001", "order_status": "shipped"}}
JSON
}
echo "template: $(template) $(field status)"
id=$(field id)
echo "template again: $(template) $(field status), replayed: $(header idempotency-replayed), the same: $([ "$(field id)" = "$id" ] && echo true)"

echo "file: $(ask "$bff/v1/messages/file?to=14155551000&caption=Gr%C3%BC%C3%9Fe" -H "Idempotency-Key: curl-file-$run" \
  -F "file=@\"$invoice\"") $(field status) $(field fileName)"

echo "import: $(ask "$bff/v1/broadcasts/import?template=order_update&broadcastName=march" -H "Idempotency-Key: curl-import-$run" \
  -F "file=@\"$csv\"") $(field counts.total)"

# -N shows each event as it comes; the stream ends with the broadcast.
curl -sSN --max-time 600 -K "$answer/key" "$bff/v1/broadcasts/$(field id)/events" | tr -d '\r' >"$answer/events"
echo "events: $(sed -n 's/^event: //p' "$answer/events" | tail -n 1), $(sed -n 's/^data: //p' "$answer/events" | tail -n 1 | jq -r .counts.accepted) accepted"

# Refused before the film is sent: curl asks first (Expect: 100-continue). Without the question it sends, and reads all the same.
refused() { curl -sS --max-time 60 -o "$answer/body" -w '%{http_code}' -H "Authorization: Bearer ${key}x" "$@"; }
echo "another key: $(refused "$bff/v1/messages/file?to=14155551000" -F "file=@\"$film\"") $(field type)"
[ "$(refused "$bff/v1/messages/file?to=14155551000" -F "file=@\"$film\"" -H Expect:)" = 401 ]
echo "another type: $(ask "$bff/v1/messages/text" -H 'Content-Type: text/plain' -d 'Hello') $(field type)"
