#!/bin/sh
# Makes the API keys that the other containers need, once, and keeps them on a volume of their own:
# `prometheus` reads, `operator` may do everything (docker compose run --rm keys shows it again).
set -eu
for each in prometheus:read operator:admin; do
    name=${each%%:*} scope=${each##*:}
    file=/keys/$name
    if [ ! -s "$file" ]; then
        sightline keys create "$name" --scope "$scope" --json |
            python3 -c 'import json, sys; print(json.load(sys.stdin)["key"], end="")' >"$file.new"
        mv "$file.new" "$file"
    fi
done
echo "API key of the operator: $(cat /keys/operator)"
