//! The command's own behaviour: options, messages, exit codes, and the report of the heap.

use std::path::PathBuf;
use std::process::{Command, Output};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_spanheap-lua")).args(args).output().expect("the interpreter starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn script(name: &str, text: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("spanheap-lua-{}-{name}.lua", std::process::id()));
    std::fs::write(&path, text).expect("a temporary file");
    path
}

#[test]
fn wrong_usage_is_explained() {
    for args in
        [&[][..], &["--nonsense"], &["--limit"], &["--limit", "many", "x.lua"], &["--collect-every", "0", "x.lua"]]
    {
        let output = run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(stderr(&output).starts_with("spanheap-lua: "), "{args:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "", "{args:?}");
    }
    assert!(stdout(&run(&["--help"])).contains("--gc-report"));
}

#[test]
fn a_missing_file_is_named() {
    let output = run(&["no-such-file.lua"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "spanheap-lua: cannot open no-such-file.lua: No such file or directory\n");
}

#[test]
fn a_syntax_error_has_its_place() {
    let path = script("syntax", "local x = 1\nx = = 2\n");
    let output = run(&[path.to_str().expect("a plain path")]);
    std::fs::remove_file(&path).expect("the file is there");
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains(":2: unexpected symbol near '='"), "{text}");
}

#[test]
fn a_runtime_error_has_a_traceback_and_comes_after_the_output() {
    let text = "local function inner() local t = nil; return t.x end\nfunction outer() return (inner()) end\nprint('before')\nouter()\n";
    let path = script("runtime", text);
    let name = path.to_str().expect("a plain path");
    let output = run(&[name]);
    std::fs::remove_file(&path).expect("the file is there");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "before\n");
    let text = stderr(&output);
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    assert!(
        first.starts_with("spanheap-lua: ") && first.ends_with(":1: attempt to index a nil value (local 't')"),
        "{text}"
    );
    assert_eq!(lines.next(), Some("stack traceback:"));
    assert!(lines.next().is_some_and(|line| line.ends_with(":1: in upvalue 'inner'")), "{text}");
    assert!(lines.next().is_some_and(|line| line.ends_with(":2: in function 'outer'")), "{text}");
    assert!(lines.next().is_some_and(|line| line.ends_with(":4: in main chunk")), "{text}");
    assert_eq!(lines.next(), Some("\t[C]: in ?"));
}

#[test]
fn arguments_chunks_and_standard_input_reach_the_program() {
    let output = run(&["-e", "print(1 + 1)"]);
    assert_eq!((stdout(&output).as_str(), output.status.code()), ("2\n", Some(0)));
    let path = script("arguments", "print(arg[0] ~= nil, arg[1], select('#', ...), ...)");
    let output = run(&[path.to_str().expect("a plain path"), "a", "--verify"]);
    std::fs::remove_file(&path).expect("the file is there");
    assert_eq!(stdout(&output), "true\ta\t2\ta\t--verify\n");
}

#[test]
fn the_report_says_what_the_heap_did() {
    let chunk = "for i = 1, 200000 do local t = {i} end collectgarbage() print('done')";
    let output = run(&["--gc-report", "-e", chunk]);
    assert_eq!(stdout(&output), "done\n");
    let text = stderr(&output);
    for word in [
        "cycles",
        "objects allocated",
        "bytes freed",
        "longest handshake",
        "time in marking",
        "peak committed",
        "Table",
    ] {
        assert!(text.contains(word), "{word} in {text}");
    }
    let tables = text.lines().find(|line| line.trim_start().starts_with("Table ")).expect("a line for tables");
    let figures: Vec<u64> = tables.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
    assert!(figures[0] > 200_000, "tables allocated: {tables}");
    assert!(figures[2] > 190_000, "tables freed: {tables}");
}

#[test]
fn a_full_heap_is_an_error_that_programs_can_catch() {
    let chunk = "local ok, message = pcall(function() local t = {} for i = 1, 1e9 do t[i] = {i} end end)\n\
                 print(ok, message) local t = {} for i = 1, 1000 do t[i] = {i} end print(#t)";
    let output = run(&["--limit", "16777216", "-e", chunk]);
    assert_eq!(stdout(&output), "false\tnot enough memory\n1000\n");
    let output = run(&["--limit", "16777216", "-e", "local s = 'x' while true do s = s .. s end"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "spanheap-lua: not enough memory\n");
}

/// Runs a chunk with a limit of 8 MiB, the verifier on. Growth starts no cycle: what fits, fits because a full heap was
/// collected.
fn run_limited(chunk: &str) -> Output {
    let chunk = format!("collectgarbage('stop') {chunk}");
    run(&["--limit", "8388608", "--verify", "-e", &chunk])
}

#[test]
fn garbage_beyond_the_limit_is_collected_and_the_program_goes_on() {
    let output = run_limited(
        "local kept = {}
         for i = 1, 40 do
           local list = {}
           for j = 1, 4000 do list[j] = {j, 'text ' .. j * i, function() return list end} end
           local text = table.concat({('x'):rep(100000), tostring(i)}):gsub('x', 'yy')
           local long = text .. text
           kept[i % 7] = coroutine.wrap(function(...) local t = {...} coroutine.yield(#t) return list, select('#', ...) end)
           kept[i % 7](table.unpack(list, 1, 200))
           assert(#long == 400000 + 2 * #tostring(i))
           for word in ('a b c ' .. i):gmatch('%w+') do kept[word] = string.format('%s-%5d', word, i) end
         end
         print('done', kept['40'])",
    );
    assert_eq!(stdout(&output), "done\t40-   40\n", "{}", stderr(&output));
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}

#[test]
fn what_fails_in_a_protected_call_is_freed_and_the_program_goes_on() {
    let output = run_limited(
        "local asked = 0
         local function grow() local t = {} for i = 1, 1e9 do t[i] = {i} end end
         for round = 1, 3 do
           print(pcall(grow))
           print(xpcall(grow, function(m) asked = asked + 1 return 'handled: ' .. m end))
           print(coroutine.resume(coroutine.create(grow)))
           print(pcall(coroutine.wrap(grow)))
           print(pcall(string.rep, 'x', 1 << 24))
           print(pcall(function() local s = 'x' while true do s = s .. s end end))
           print(pcall(function() local function down(n) local a = {n} return down(n + 1) + a[1] end return down(1) end))
           local t = {} for i = 1, 20000 do t[i] = {i} end
           print(#t, asked)
         end",
    );
    let lines = ["false\tnot enough memory"; 7].join("\n") + "\n20000\t0\n";
    assert_eq!(stdout(&output), lines.repeat(3), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(0));
}
