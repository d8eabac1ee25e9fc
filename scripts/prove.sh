#!/usr/bin/env bash
# The long proofs, one after the other, each with its name and what it shows; what is promised stands in docs/proofs.md.
#
# prove.sh [NAME...] runs those only. The first failure ends it. Seeds are those of the ordinary run; CASES says how many
# random cases the property tests and the fuzzing try.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${PY:=.venv/bin/python}" "${CASES:=20000}"

wanted=("$@")
times=()
proof() { # proof NAME SHOWS COMMAND...
    local name=$1 shows=$2 begin=$SECONDS
    shift 2
    [[ ${#wanted[@]} = 0 || " ${wanted[*]} " = *" $name "* ]] || return 0
    printf '\n=== %s: %s\n' "$name" "$shows"
    "$@"
    times+=("$(printf '%5d s  %s' $((SECONDS - begin)) "$name")")
}

# A checker's atomics stand in the place of the machine's, so each has a build of its own (Makefile says the same).
checked() { # checked CFG ARGS...
    RUSTFLAGS="--cfg $1" CARGO_PROFILE_DEV_DEBUG=0 \
        cargo test --quiet --package junctor-core --test "$1" --target-dir "target/$1" -- "${@:2}"
}

worlds() {
    cargo run --quiet --release --package junctor-sim -- random 10000
    cargo run --quiet --release --package junctor-sim -- figures 300
}

proof loom "every order of two or three threads with at most three pre-emptions, on the core as it ships" \
    checked loom --nocapture
proof shuttle "the whole engine, eight tasks, two hundred thousand random schedules" \
    checked shuttle --include-ignored --nocapture --test-threads=1
proof storms "real threads: a million races for one probe, ten million attempts on one limit" \
    cargo test --quiet --package junctor-core --test storms -- --ignored --nocapture --test-threads=1
proof twins "random sequences against naive twins, $((CASES / 5)) of each" \
    env PROPTEST_CASES="$((CASES / 5))" cargo test --quiet --package junctor-core --lib --tests
proof worlds "ten thousand made-up worlds in which every promise is counted again, and the figures over 300 seeds" worlds
proof fuzz "damaged headers, streams and fleet files, $CASES of each" \
    env JUNCTOR_CASES="$CASES" "$PY" -m pytest --quiet tests/fuzz
proof leases "hosts of several processes on one Redis or Valkey: two minutes of kills, pauses and cuts" \
    env JUNCTOR_LEASE_SECONDS=120 "$PY" -m pytest --quiet tests/leases
proof processes "real workers: a thousand of them killed, sixteen on one limit, forks, servers, containers" \
    env JUNCTOR_STORM=16 "$PY" -m pytest --quiet tests/processes
proof gateway "a hundred thousand requests and ten thousand streams through a server, every third left by its client" \
    "$PY" -m benches.python.gateway_soak

printf '\n=== all proven\n'
printf '%s\n' "${times[@]}" "$(printf '%5d s  together' "$SECONDS")"
