#!/usr/bin/env bash
# Drives Mortar with aws-cli. The address is in MORTAR, the credentials where aws-cli looks for them.
set -euo pipefail
aws() { command aws --endpoint-url "$MORTAR" --region us-east-1 "$@"; }
same() { [ "$1" = "$2" ] || { echo "expected '$2', found '$1'" >&2; exit 1; }; }

aws s3 ls | grep -q ' media$'
printf 'small object' >small
: >empty
head -c 104857600 /dev/urandom >large

for file in small empty large; do
    aws s3 cp --quiet "$file" "s3://media/cli/$file"
    aws s3 cp --quiet "s3://media/cli/$file" "$file.back"
    cmp "$file" "$file.back"
done
aws s3api get-object --bucket media --key cli/large --range bytes=50000000-50000999 part >/dev/null
cmp part <(tail -c +50000001 large | head -c 1000)
same "$(aws s3 ls s3://media/cli/ | wc -l)" 3
same "$(aws s3api list-objects-v2 --bucket media --prefix cli/ --page-size 1 --query 'length(Contents)')" 3

aws s3 cp --quiet s3://media/cli/large s3://media/cli/copy
aws s3api head-object --bucket media --key cli/copy --query ContentLength | grep -qx 104857600
same "$(curl -sf "$(aws s3 presign s3://media/cli/small)")" 'small object'
same "$(curl -s -o /dev/null -w '%{http_code}' "$(aws s3 presign s3://media/cli/nowhere)")" 404

mkdir -p tree/a/b && cp small tree/a/one && cp small tree/a/b/two
aws s3 sync --quiet tree s3://media/cli/tree
aws s3 sync --quiet s3://media/cli/tree tree.back
diff -r tree tree.back
aws s3api delete-objects --bucket media --delete 'Objects=[{Key=cli/small},{Key=cli/empty}]' >/dev/null
aws s3 rm --quiet --recursive s3://media/cli/
same "$(aws s3api list-objects-v2 --bucket media --prefix cli/ --query Contents)" null
