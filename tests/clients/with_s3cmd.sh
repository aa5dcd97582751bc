#!/usr/bin/env bash
# Drives Mortar with s3cmd, with signatures of both versions. The address is in MORTAR.
set -euo pipefail
host=${MORTAR#http://}
cat >s3cfg <<END
[default]
access_key = $AWS_ACCESS_KEY_ID
secret_key = $AWS_SECRET_ACCESS_KEY
host_base = $host
host_bucket = $host
bucket_location = us-east-1
use_https = False
signurl_use_https = False
check_ssl_certificate = False
END
s3cmd() { command s3cmd --config s3cfg --no-progress "$@"; }

printf 'small object' >small
: >empty
head -c 104857600 /dev/urandom >large
for version in "" --signature-v2; do
    # shellcheck disable=SC2086 # nothing is an argument too many
    for file in small empty large; do
        s3cmd $version --multipart-chunk-size-mb=16 put "$file" "s3://media/s3cmd/$file" >/dev/null
        s3cmd $version --force get "s3://media/s3cmd/$file" "$file.back" >/dev/null
        cmp "$file" "$file.back"
    done
    # The rest of a file that is there in part is read by range.
    head -c 60000000 large >large.back
    s3cmd $version --continue get s3://media/s3cmd/large large.back >/dev/null
    cmp large large.back
    [ "$(s3cmd $version ls s3://media/s3cmd/ | wc -l)" -eq 3 ]
    s3cmd $version cp s3://media/s3cmd/small s3://media/s3cmd/copy >/dev/null
    [ "$(curl -sf "$(s3cmd $version signurl s3://media/s3cmd/copy +60)")" = 'small object' ]
    s3cmd $version del s3://media/s3cmd/copy >/dev/null
    s3cmd $version del --recursive --force s3://media/s3cmd/ >/dev/null
    [ -z "$(s3cmd $version ls s3://media/s3cmd/)" ]
done
