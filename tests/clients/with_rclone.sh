#!/usr/bin/env bash
# Drives Mortar with rclone. The address is in MORTAR.
set -euo pipefail
export RCLONE_CONFIG=/dev/null RCLONE_CONFIG_M_TYPE=s3 RCLONE_CONFIG_M_PROVIDER=Other RCLONE_CONFIG_M_ENDPOINT=$MORTAR
export RCLONE_CONFIG_M_ACCESS_KEY_ID=$AWS_ACCESS_KEY_ID RCLONE_CONFIG_M_SECRET_ACCESS_KEY=$AWS_SECRET_ACCESS_KEY
export RCLONE_CONFIG_M_REGION=mort RCLONE_RETRIES=1 RCLONE_LOW_LEVEL_RETRIES=1 RCLONE_S3_UPLOAD_CUTOFF=20M
export RCLONE_S3_CHUNK_SIZE=8M

mkdir -p tree/sub
printf 'small object' >tree/small
: >tree/empty
head -c 104857600 /dev/urandom >tree/sub/large
rclone lsd m: | grep -q ' media$'
rclone copy tree m:media/rclone
rclone check --download tree m:media/rclone
[ "$(rclone lsf -R m:media/rclone | sort | tr '\n' ' ')" = "empty small sub/ sub/large " ]
cmp <(rclone cat --offset 50000000 --count 1000 m:media/rclone/sub/large) \
    <(tail -c +50000001 tree/sub/large | head -c 1000)
rclone copyto m:media/rclone/sub/large m:media/rclone/copy
rclone moveto m:media/rclone/small "m:media/rclone/moved ü"
[ "$(rclone cat "m:media/rclone/moved ü")" = 'small object' ]
[ "$(curl -sf "$(rclone link --expire 1m "m:media/rclone/moved ü")")" = 'small object' ]
rclone check --one-way --download m:media/rclone/sub tree/sub
rclone delete m:media/rclone
[ -z "$(rclone lsf -R m:media/rclone)" ]
