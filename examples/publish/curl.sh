#!/usr/bin/env bash
# Plain HTTP with an API key: for any language that has an HTTP client.
set -euo pipefail

curl --fail-with-body --silent --show-error -X "POST" "$PUBLISH_HTTP_API_URL" \
  -H "Authorization: Bearer $HTTP_API_KEY" \
  -H 'Content-Type: application/json; charset=utf-8' \
  -d $'{
  "channel": "my-channel",
  "event": "my-event",
  "data": "👋"
}'
