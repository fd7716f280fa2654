#!/bin/sh
# Puts every connector of this folder, by its file's name, and ends when each of them and its task run.
set -eu
: "${CONNECT_URL:?the address of Kafka Connect}"
here=$(dirname "$0")
for file in "$here"/*.json; do
    name=$(basename "$file" .json)
    curl --silent --show-error --fail-with-body --retry 10 --retry-all-errors --output /dev/null \
        --request PUT --header 'Content-Type: application/json' --data "@$file" "$CONNECT_URL/connectors/$name/config"
    left=60
    while :; do
        status=$(curl --silent "$CONNECT_URL/connectors/$name/status" || true)
        case $status in
        *'"state":"FAILED"'*) echo "$name failed: $status" >&2 && exit 1 ;;
        *'"tasks":[{'*'"state":"RUNNING"'*) echo "$name runs" && break ;;
        esac
        left=$((left - 1))
        if [ "$left" -eq 0 ]; then
            echo "$name does not run yet: $status" >&2
            exit 1
        fi
        sleep 1
    done
done
