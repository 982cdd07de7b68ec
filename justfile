# What one does here, one verb each. CI runs `just`-free: see .ci/run.

# List the verbs.
default:
    @just --list

# Format, lints, docs: what CI checks besides the tests.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items

# All tests.
test:
    cargo test

# The main job of the README.
lua *args:
    cargo run --release -p spanheap-lua -- --gc-report {{ if args == "" { "crates/lua/programs/wordcount.lua README.md" } else { args } }}

# Record what lua5.4 prints for every Lua program and script, as the tests' expectation.
record-lua:
    crates/lua/programs/record.sh

# The loom models (see docs/models.md).
loom *args:
    RUST_BACKTRACE=0 RUSTFLAGS="--cfg loom" cargo test --release --target-dir target/loom -p spanheap-sync --test loom
    RUST_BACKTRACE=0 RUSTFLAGS="--cfg loom" cargo test --release --target-dir target/loom -p spanheap-allocator -p spanheap-collector --lib -- models {{ args }}
    RUST_BACKTRACE=0 RUSTFLAGS="--cfg loom" cargo test --release --target-dir target/loom -p spanheap --test model_host -- {{ args }}

# Whole heaps under random schedules: so many of each scenario by each scheduler (see docs/models.md).
shuttle iterations="500":
    SPANHEAP_SHUTTLE_ITERATIONS={{ iterations }} RUST_BACKTRACE=0 RUSTFLAGS="--cfg shuttle" cargo test --release --target-dir target/shuttle -p spanheap --test shuttle -- --nocapture --test-threads=1

# Change the code in small ways, and see whether a test fails each time (cargo-mutants; see docs/testing.md).
mutants *args:
    cargo mutants {{ args }}

# The shared graph of four mutators, for longer than the tests do.
stress rounds="600":
    SPANHEAP_STRESS_ROUNDS={{ rounds }} cargo test --release -p spanheap-tests --test shared_graph -- --nocapture

# The random operations with streams that libFuzzer makes, for so many seconds (needs nightly; see fuzz/run).
fuzz seconds="60":
    fuzz/run {{ seconds }}

# AddressSanitizer, with poisoned free memory, over the tests: `just asan`, `just asan quick`, `just asan lua`.
asan *args:
    tests/scripts/asan {{ args }}

# ThreadSanitizer over scenarios of several mutators, `runs` times.
tsan runs="3":
    tests/scripts/tsan {{ runs }}

# memcheck over quick tests of the allocator and the API.
valgrind:
    tests/scripts/valgrind

# Everything that looks for faults, within `minutes`: docs/testing.md. `just torture 10 --only tsan,asan`; `just torture 10 --list`.
torture minutes="30" *args:
    tests/scripts/torture {{ minutes }} {{ args }}

# The figures that the logs of `just torture`, or other logs, and cargo-mutants' outcomes.json give: into docs/testing.md.
figures *logs:
    tests/scripts/figures --write {{ if logs == "" { "target/torture/*.log" } else { logs } }}

# Lua against lua5.4, in one run: docs/performance.md shows the result.
bench-lua:
    benches/lua.sh

# The peers' tables (see benches/peers/README.md): all that are set up, or `just peers --quick`.
peers *args:
    cargo build --release -p spanheap-peers
    benches/peers/compare --ours "${CARGO_TARGET_DIR:-target}/release/spanheap-peers" {{ args }}

# Cold build of the library against a cold build of mmtk, in one run.
bench-build:
    benches/build.sh

# Nanoseconds of one allocation, and of one store by what it overwrites; `just bench-micro --quick` for a glance.
bench-micro *args:
    cargo bench -p spanheap-micro --benches -- {{ args }}

# Instructions of one allocation, counted by valgrind.
instructions:
    benches/instructions.sh

# What collecting costs: every program with its normal heap, and with one that never collects. `just gc-cost --quick`.
gc-cost *args:
    benches/gc-cost {{ args }}
