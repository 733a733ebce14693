# What `./scripts/soak postgres-versions` does: the tests of the Postgres store, on every version of
# the server it promises to work with. Sourced by it; uses its `fail` and options.

postgres_versions=(13 14 15 16 17 18)

# Fetches the programs of each version, as they are locked; prints their folder.
fetch_postgres_versions() {
    local from=artos-test-postgres/versions folder version
    [[ $(uname -sm) == 'Linux x86_64' ]] || fail 'the programs are for Linux on x86_64'
    require_package npm npm
    # Not below the target folder: the user that a server runs as may not get there.
    folder="/var/tmp/artos-postgres-$(id -u)-$(cksum <"$from/package-lock.json" | cut -d' ' -f1)"
    if [[ ! -O $folder || ! -f $folder/complete ]]; then
        printf 'fetching Postgres %s, once, into %s\n' "${postgres_versions[*]}" "$folder" >&2
        rm -rf "$folder"
        mkdir -m 755 "$folder"
        cp "$from/package.json" "$from/package-lock.json" "$folder"
        # npm compares what it gets with the checksums of the lock.
        (umask 022 && cd "$folder" && npm ci --ignore-scripts --silent --no-audit --no-fund >&2) ||
            fail "what $from/package-lock.json names could not be installed"
        for version in "${postgres_versions[@]}"; do
            # A package holds no links; it lists those that its libraries need.
            (cd "$folder/node_modules/postgres-$version" && node -e '
                const { readFileSync, symlinkSync } = require("node:fs");
                const links = JSON.parse(readFileSync("native/pg-symlinks.json"));
                const name = (path) => path.split("/").at(-1);
                for (const { source, target } of links) symlinkSync(name(source), target);
            ') || fail "the libraries of Postgres $version could not be linked"
        done
        touch "$folder/complete"
    fi
    printf '%s/node_modules\n' "$folder"
}

proof_postgres-versions() {
    local folder version chosen=("${postgres_versions[@]}") broken=()
    if [[ -n $pg_version ]]; then chosen=("$pg_version"); fi
    [[ " ${postgres_versions[*]} " == *" ${chosen[0]} "* ]] ||
        fail "there is no version \`$pg_version\`: expected ${postgres_versions[*]}"
    require_package pgbouncer pgbouncer
    folder="$(fetch_postgres_versions)"
    cargo test --quiet --locked --no-run -p artos-store-postgres
    for version in "${chosen[@]}"; do
        local programs="$folder/postgres-$version/native/bin"
        printf '%s\n' "${bold}$("$programs/postgres" --version)${plain}"
        env -u ARTOS_TEST_POSTGRES_URL ARTOS_TEST_POSTGRES_PROGRAMS="$programs" \
            cargo test --quiet --locked --no-fail-fast -p artos-store-postgres ||
            broken+=("$version")
    done
    [[ ${#broken[@]} -eq 0 ]] || fail "tests failed on Postgres ${broken[*]}"
}
