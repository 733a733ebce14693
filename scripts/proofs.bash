# What `./scripts/soak` runs besides the simulation and the rigs: the model, the fuzzer, mutants,
# coverage, Miri. Sourced by it; uses its `fail`, `target_dir` and options.

cargo_mutants_version=27.1.0
cargo_llvm_cov_version=0.9.1
fuzz_targets=(sled_task sled_value names http rules durations)

# Prints the path of a cargo tool, after building it if need be.
cargo_tool() {
    local name=$1 version=$2 root
    root="$(target_dir)/tools/$name-$version"
    if [[ ! -x $root/bin/$name ]]; then
        printf 'building %s %s, once\n' "$name" "$version" >&2
        env -u CARGO_TARGET_DIR CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_DEV_STRIP=symbols \
            cargo install --quiet --locked --debug --version "$version" --root "$root" "$name" >&2 ||
            fail "$name $version could not be built"
    fi
    printf '%s\n' "$root/bin/$name"
}

# Installs Debian packages if a command is missing.
require_package() {
    local command=$1 package=$2
    command -v "$command" >/dev/null && return
    if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then
        fail "$command is missing: install $package (Debian's name)"
    fi
    printf 'installing %s\n' "$package" >&2
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive \
        apt-get install -qy --no-install-recommends "$package"; } >&2 ||
        fail "$package could not be installed"
}

# The model: with --everyday what belongs to every day, else more workers and more writes under way.
proof_model() {
    local bounds=(--workers 3 --tasks 2)
    if [[ -n $everyday ]]; then bounds=(--workers 2 --tasks 2 --interrupts 0); fi
    cargo build --quiet --locked --profile sim -p artos-model
    "$(target_dir)/sim/artos-model" "${bounds[@]}"
}

# Builds the fuzzers, with what they need to see which way the code goes; prints their folder.
build_fuzzers() {
    local host folder
    folder="$(target_dir)/fuzz"
    host="$(rustc -vV | sed -n 's/^host: //p')"
    # What cargo-fuzz passes, but for the sanitizers, which need a nightly compiler and find little
    # in code without `unsafe`.
    (cd fuzz && CARGO_TARGET_DIR=$folder RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module \
-Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
-Cllvm-args=-sanitizer-coverage-stack-depth" \
        cargo build --quiet --locked --release --target "$host" --bins)
    printf '%s/%s/release\n' "$folder" "$host"
}

# Fuzzes each target for its share of the time, then keeps what found something new.
proof_fuzz() {
    local programs work seconds name chosen=("${fuzz_targets[@]}") broken=()
    if [[ -n $fuzz_target ]]; then chosen=("$fuzz_target"); fi
    [[ " ${fuzz_targets[*]} " == *" ${chosen[0]} "* ]] ||
        fail "there is no target \`$fuzz_target\`: expected ${fuzz_targets[*]}"
    programs="$(build_fuzzers)"
    work="$(target_dir)/fuzz-work"
    seconds="$(awk -v m="${minutes:-60}" -v n="${#chosen[@]}" 'BEGIN { print int(m * 60 / n) }')"
    for name in "${chosen[@]}"; do
        printf '%s\n' "${bold}fuzz $name${plain}, $seconds s"
        mkdir -p "$work/$name" "$work/found/$name"
        "$programs/$name" -max_total_time="$seconds" -timeout=120 -rss_limit_mb=4096 -max_len=16384 \
            -print_final_stats=1 -verbosity=0 -artifact_prefix="$work/found/$name/" \
            "$work/$name" "fuzz/corpus/$name" || { broken+=("$name"); continue; }
        keep_corpus "$programs/$name" "$name" "$work"
    done
    [[ ${#broken[@]} -eq 0 ]] ||
        fail "these targets found something, which is in $work/found: ${broken[*]}"
}

# Replaces a committed corpus by the smallest that reaches as much.
keep_corpus() {
    local program=$1 name=$2 work=$3
    rm -rf "$work/small/$name"
    mkdir -p "$work/small/$name"
    "$program" -merge=1 -max_len=4096 -verbosity=0 "$work/small/$name" \
        "fuzz/corpus/$name" "$work/$name" 2>/dev/null
    rm -rf "fuzz/corpus/$name"
    cp -r "$work/small/$name" "fuzz/corpus/$name"
    printf '%s inputs, %s bytes\n' "$(find "fuzz/corpus/$name" -type f | wc -l)" \
        "$(cat "fuzz/corpus/$name"/* | wc -c)"
}

# Changes the code in every small way there is, and checks that a test notices; what is changed is in
# .cargo/mutants.toml, and the tests are those of the crate that is changed.
proof_mutants() {
    local tool
    tool="$(cargo_tool cargo-mutants "$cargo_mutants_version")"
    "$tool" mutants --output "$(target_dir)" --jobs 1
}

# Which branches of the machine the tests take, on both sides; fails below 95 %.
proof_coverage() {
    local tool llvm report errors
    errors="$(mktemp)"
    tool="$(cargo_tool cargo-llvm-cov "$cargo_llvm_cov_version")"
    llvm="$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')"
    require_package "llvm-cov-$llvm" "llvm-$llvm"
    # Counting branches is not stable yet.
    export RUSTC_BOOTSTRAP=1 LLVM_COV="llvm-cov-$llvm" LLVM_PROFDATA="llvm-profdata-$llvm"
    report="$("$tool" llvm-cov --branch --quiet -p artos-core --lib 2>"$errors")" || {
        cat "$errors" >&2
        fail 'the tests of the core failed, or could not be counted'
    }
    head -n 1 <<<"$report"
    grep -E '^(machine|retry)/' <<<"$report" | grep -v tests/
    awk '/^machine\// && !/tests\// { all += $(NF-2); missed += $(NF-1) }
        END {
            printf "machine: %d of %d branches taken, %.1f %%\n", all - missed, all,
                100 * (all - missed) / all
            exit !(all > 0 && missed * 20 <= all)
        }' <<<"$report" || fail 'less than 95 % of the branches of the machine are covered'
}

# The pure parts of the core in an interpreter that notices undefined behaviour.
proof_miri() {
    rustup +nightly component list 2>/dev/null | grep -q '^miri.*(installed)' ||
        fail 'Miri is missing: `rustup +nightly component add miri rust-src`'
    # Randomness comes from the operating system, and proptest looks for its folder.
    MIRIFLAGS='-Zmiri-disable-isolation' PROPTEST_CASES=8 \
        cargo +nightly miri test -p artos-core --lib -- machine model retry
}
