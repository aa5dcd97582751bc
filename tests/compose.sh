#!/usr/bin/env bash
# Starts everything of docker-compose.yml with two instances, and checks that they answer as one, also without Redis.
# It uses a project, ports and volumes of its own and leaves nothing behind. It needs a Docker engine with compose, and
# curl. Images are replaced by the variables that docker-compose.yml names; BUILD=no takes MORTAR_IMAGE as it is.
#
# Where no engine is, tests/topology checks the same services and files as plain processes.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! docker info >/dev/null 2>&1; then
    echo "NOT TESTED: no Docker engine answers here" >&2
    exit 2
fi

export COMPOSE_PROJECT_NAME="mortar-test-$$" MORTAR_PORT=0 MINIO_CONSOLE_PORT=0
scratch=$(mktemp -d)

step() { printf '=== %s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

finish() {
    local code=$?
    [ $code -eq 0 ] || { docker compose ps --all; docker compose logs --tail 40; } >&2 || true
    docker compose down --volumes --remove-orphans --timeout 60 >/dev/null 2>&1 || true
    rm -rf "$scratch"
    exit $code
}
trap finish EXIT

# Where an instance is reached: instance NUMBER PORT
instance() { docker compose port --index "$1" mortar "$2"; }

# One figure of one instance: figure NUMBER 'name{labels}'
figure() {
    curl --fail --silent --max-time 10 "http://$(instance "$1" 8081)/metrics" | awk -v name="$2" '$1 == name { print $2 }'
}

# So many renders by both instances, ever.
renders() {
    local name='mortar_actor_handled_total{actor="transform"}'
    echo $(($(figure 1 "$name") + $(figure 2 "$name")))
}

# Asks for a path and prints status and checksum: ask ADDRESS PATH
ask() {
    local body
    body=$(mktemp -p "$scratch")
    printf '%s %s\n' "$(curl --silent --max-time 60 --output "$body" --write-out '%{http_code}' "http://$1$2")" \
        "$(sha256sum <"$body" | cut -c1-16)"
}

# Asks both instances so often at the same time: every answer must be 200 and the same. ask_both TIMES PATH
ask_both() {
    local answers=$scratch/answers address number
    : >"$answers"
    for number in 1 2; do
        address=$(instance "$number" 8080)
        for _ in $(seq "$1"); do ask "$address" "$2" >>"$answers" & asked+=($!); done
    done
    wait "${asked[@]}"
    asked=()
    [ "$(wc -l <"$answers")" -eq $(($1 * 2)) ] || fail "not everybody was answered: $2"
    [ "$(sort -u "$answers" | wc -l)" -eq 1 ] || fail "answers differ for $2: $(sort "$answers" | uniq -c)"
    grep -q '^200 ' "$answers" || fail "$2: $(sort -u "$answers")"
}
asked=()

step "the files are valid"
docker compose config --quiet
docker compose -f docker-compose.yml -f docker-compose.monitoring.yml config --quiet

step "everything comes up, two instances of Mortar"
[ "${BUILD:-yes}" = no ] || docker compose build mortar
docker compose up --wait --wait-timeout 180 --no-build --scale mortar=2
for number in 1 2; do
    docker compose exec -T --index "$number" mortar /usr/local/bin/mortar --config /etc/mortar/mortar.toml health --ready \
        | grep -qx ready || fail "instance $number is not ready"
done

step "a picture is put into MinIO and comes back unchanged through the front"
docker compose run --rm --no-deps -T buckets pipe --quiet --attr "Content-Type=image/jpeg" store/media/photo.jpg \
    <src/sample.jpg >/dev/null
front=$(docker compose port front 8080)
[ "$(ask "$front" /media/photo.jpg)" = "200 $(sha256sum <src/sample.jpg | cut -c1-16)" ] || fail "another picture came back"

step "a signed upload through the front is taken, a forged one is not"
# upload USER KEY: prints the status
upload() {
    curl --silent --max-time 60 --output /dev/null --write-out '%{http_code}' --upload-file src/sample.jpg \
        --aws-sigv4 aws:amz:us-east-1:s3 --user "$1" --header "content-type: image/jpeg" \
        --header "x-amz-content-sha256: $(sha256sum <src/sample.jpg | cut -d' ' -f1)" "http://$front/media/$2"
}
[ "$(upload "${MEDIA_ACCESS_KEY:-media-writer}:${MEDIA_SECRET_KEY:-development-media}" uploaded.jpg)" = 200 ] \
    || fail "the upload was not taken"
[ "$(upload "${MEDIA_ACCESS_KEY:-media-writer}:another-secret" forged.jpg)" = 403 ] || fail "a forged upload was not refused"
for number in 1 2; do
    [[ "$(ask "$(instance "$number" 8080)" "/media/uploaded.jpg?width=200")" == 200\ * ]] || fail "instance $number does not show it"
done

step "a size that both are asked for at once is rendered once"
before=$(renders)
ask_both 10 "/media/photo.jpg?width=321&format=webp"
[ "$(renders)" -eq $((before + 1)) ] || fail "$(($(renders) - before)) renders instead of one"
ask_both 1 "/media/photo.jpg/small"
[ "$(renders)" -eq $((before + 2)) ] || fail "the second instance did not find what the first had made"
for number in 1 2; do
    curl --fail --silent --max-time 10 "http://$(instance "$number" 8081)/stats" | grep -q '"ready":true' \
        || fail "instance $number is not ready by its /stats"
done

step "without Redis everybody is still answered"
docker compose kill --signal KILL redis >/dev/null
ask_both 3 "/media/photo.jpg?width=321&format=webp"
ask_both 3 "/media/photo.jpg?width=222&format=webp"
[[ "$(ask "$front" "/media/photo.jpg?width=223")" == 200\ * ]] || fail "the front does not answer without Redis"

step "with Redis again the instances work together again"
docker compose start redis >/dev/null
together() {
    local before width=$((RANDOM % 500 + 400))
    before=$(renders)
    ask_both 1 "/media/photo.jpg?width=$width"
    [ "$(renders)" -eq $((before + 1)) ]
}
for attempt in $(seq 30); do
    if together; then break; fi
    [ "$attempt" -lt 30 ] || fail "they still work alone"
    sleep 1
done

step "an instance that is killed is not missed"
docker kill "$(docker compose ps --quiet mortar | head -1)" >/dev/null
for width in 301 302 303 304; do
    [[ "$(ask "$front" "/media/photo.jpg?width=$width")" == 200\ * ]] || fail "width $width through the front"
done

step "the others stop in order"
survivor=$(docker compose ps --quiet mortar | head -1)
docker compose stop mortar >/dev/null
[ "$(docker inspect --format '{{.State.ExitCode}}' "$survivor")" = 0 ] || fail "it did not stop in order"
echo "all is well"
