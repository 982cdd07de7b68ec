//! Tests of whole patterns; the expected values are those that Lua 5.4 gives.

use super::*;

fn show(out: &mut String, subject: &str, capture: &Capture) {
    match capture {
        Capture::Span { start, end } => *out += &format!("<{}>", &subject[*start..*end]),
        Capture::Position(position) => *out += &format!("@{position}"),
    }
}

/// The results of `string.find`: positions counted from one, then the captures.
fn find(subject: &str, pattern: &str, init: usize) -> String {
    let mut matcher = Matcher::new(pattern.as_bytes());
    let found = matcher.find(subject.as_bytes(), init);
    match found.and_then(|found| if found.is_some() { matcher.check_captures().map(|()| found) } else { Ok(None) }) {
        Err(error) => format!("error: {error}"),
        Ok(None) => "nil".into(),
        Ok(Some((start, end))) => {
            let mut out = format!("{} {end}", start + 1);
            for capture in matcher.captures() {
                out.push(' ');
                show(&mut out, subject, capture);
            }
            out
        }
    }
}

/// The values of a `string.gmatch` loop in a row.
fn gmatch(subject: &str, pattern: &str) -> String {
    let mut matcher = Matcher::unanchored(pattern.as_bytes());
    let mut cursor = MatchCursor::new(0);
    let mut out = String::new();
    while cursor.next(&mut matcher, subject.as_bytes()).unwrap().is_some() {
        matcher.values().iter().for_each(|value| show(&mut out, subject, value));
    }
    assert_eq!(cursor.next(&mut matcher, subject.as_bytes()), Ok(None));
    out
}

/// The results of `string.gsub` with a replacement string.
fn gsub(subject: &str, pattern: &str, repl: &str) -> Result<String, PatternError> {
    let bytes = subject.as_bytes();
    let mut matcher = Matcher::new(pattern.as_bytes());
    let mut cursor = MatchCursor::new(0);
    let (mut out, mut copied, mut count) = (Vec::new(), 0, 0);
    while let Some((start, end)) = cursor.next(&mut matcher, bytes)? {
        out.extend_from_slice(&bytes[copied..start]);
        expand_replacement(repl.as_bytes(), bytes, (start, end), matcher.captures(), &mut out)?;
        copied = end;
        count += 1;
    }
    out.extend_from_slice(&bytes[copied..]);
    Ok(format!("{} {count}", String::from_utf8(out).unwrap()))
}

#[test]
fn finds() {
    for (subject, pattern, init, expected) in [
        ("hello world", "o w", 0, "5 7"),
        ("hello world", "l+", 0, "3 4"),
        ("hello world", "(h)(.)(.)", 0, "1 3 <h> <e> <l>"),
        ("hello", "()ll()", 0, "3 4 @3 @5"),
        ("  trim me  ", "^%s*(.-)%s*$", 0, "1 11 <trim me>"),
        ("key = value", "(%w+)%s*=%s*(%w+)", 0, "1 11 <key> <value>"),
        ("abc", "b", 2, "nil"),
        ("abc", "", 3, "4 3"),
        ("abc", "", 4, "nil"),
        ("aaab", "^a-b", 0, "1 4"),
        ("xaab", "^a*b", 0, "nil"),
        ("a.b", "%.", 0, "2 2"),
        ("a$b", "$b", 0, "2 3"),
        ("ab", "b$", 0, "2 2"),
        ("a\nb", ".b", 0, "2 3"),
        ("THE (quick) fox", "%((%a+)%)", 0, "5 11 <quick>"),
        ("THE (quick) fox", "%f[%a]%a+%f[%A]", 4, "6 10"),
        ("THE", "%f[%z]", 0, "4 3"),
        ("x", "%f[x]", 0, "1 0"),
        ("f(a(b)c)d)", "%b()", 0, "2 8"),
        ("f(a(b", "%b()", 0, "nil"),
        ("xaxbx", "%bxx", 0, "1 3"),
        ("'it''s'", "(['\"])(.-)%1", 0, "1 4 <'> <it>"),
        ("abcabc", "(abc)%1", 0, "1 6 <abc>"),
        ("abcab", "(abc)%1", 0, "nil"),
        ("aa", "()a%1", 0, "nil"),
        ("[[x]]", "%[%[(.-)%]%]", 0, "1 5 <x>"),
        ("a-b", "[a-]+", 0, "1 2"),
        ("]]", "[]]+", 0, "1 2"),
        ("a^b", "[%^]", 0, "2 2"),
        ("2024-01-31", "(%d+)-(%d+)-(%d+)", 0, "1 10 <2024> <01> <31>"),
        ("alo", "alo?", 0, "1 3"),
        ("al", "alo?", 0, "1 2"),
        ("\0a\0", "%z", 0, "1 1"),
        ("\0a\0", "[^\0]", 0, "2 2"),
        ("aaa", "a-", 0, "1 0"),
        ("aaa", "a-$", 0, "1 3"),
        ("aXb", "%u", 0, "2 2"),
        ("0x1F", "^0[xX](%x+)$", 0, "1 4 <1F>"),
        ("((()))", "(%(+)()(%)+)()", 0, "1 6 <(((> @4 <)))> @7"),
        ("abc", "(a(b(c)))", 0, "1 3 <abc> <bc> <c>"),
        ("ab", "((a)(b))", 0, "1 2 <ab> <a> <b>"),
        ("aab", "a?a?b", 0, "1 3"),
        ("b", "(a*)b", 0, "1 1 <>"),
        ("word1 word2", "(%w+)%s(%w+)$", 0, "1 11 <word1> <word2>"),
        ("a,b,,c", "(.-),()", 2, "3 4 <b> @5"),
    ] {
        assert_eq!(find(subject, pattern, init), expected, "{subject:?} {pattern:?}");
    }
}

#[test]
fn walks_over_all_matches() {
    for (subject, pattern, expected) in [
        ("abc def", "%w+", "<abc><def>"),
        ("abc", "%w*", "<abc>"),
        ("abc def", "%a*", "<abc><def>"),
        ("k1=v1, k2=v2", "(%w+)=(%w+)", "<k1><v1><k2><v2>"),
        ("abc", "()", "@1@2@3@4"),
        ("", "()", "@1"),
        ("", "a*", "<>"),
        ("^a^a", "^a", "<^a><^a>"),
        ("aXbXc", "[^X]*", "<a><b><c>"),
        ("one two", "()%a+()", "@1@4@5@8"),
        ("hello", "l*", "<><><ll><>"),
        ("a,b,,c", "([^,]*)", "<a><b><><c>"),
        ("THE (quick) fox", "%f[%w]%w+", "<THE><quick><fox>"),
        ("x", "y", ""),
    ] {
        assert_eq!(gmatch(subject, pattern), expected, "{subject:?} {pattern:?}");
    }
}

#[test]
fn substitutes() {
    for (subject, pattern, repl, expected) in [
        ("hello world", "o", "0", "hell0 w0rld 2"),
        ("hello", "", "-", "-h-e-l-l-o- 6"),
        ("abc def", "%w*", "x", "x x 2"),
        ("hello world", "(%w+)", "<%1>", "<hello> <world> 2"),
        ("hello world", "%w+", "%0 %0", "hello hello world world 2"),
        ("hello world", "(%w+) (%w+)", "%2 %1", "world hello 1"),
        ("abc", "^a", "x", "xbc 1"),
        ("aaa", "^a", "x", "xaa 1"),
        ("aaa", "^a*", "x", "x 1"),
        ("  x  ", "^%s+", "", "x   1"),
        ("  x  ", "%s*$", "", "  x 1"),
        ("abc", "b*", "-", "-a-c- 3"),
        ("a.b.c", "%.", "%%", "a%b%c 2"),
        ("abc", "()", "%1", "1a2b3c4 4"),
        ("", "^", "x", "x 1"),
        ("", "$", "x", "x 1"),
        ("abc", "$", "!", "abc! 1"),
        ("a b", "%s", "%", "error: invalid use of '%' in replacement string"),
        ("ab", "a", "%2", "error: invalid capture index %2"),
        ("ab", "a", "%z", "error: invalid use of '%' in replacement string"),
    ] {
        let result = gsub(subject, pattern, repl).unwrap_or_else(|error| format!("error: {error}"));
        assert_eq!(result, expected, "{subject:?} {pattern:?} {repl:?}");
    }
}

#[test]
fn bytes_above_ascii() {
    let subject = [0xe4, b'a', 0xff, 0];
    let find = |pattern: &[u8]| Matcher::new(pattern).find(&subject, 0).unwrap();
    assert_eq!(find(b"%a"), Some((1, 2)));
    assert_eq!(find(b"%A+"), Some((0, 1)));
    assert_eq!(find(b"[\x80-\xff]+$"), None);
    assert_eq!(find(b"[\xf0-\xff]"), Some((2, 3)));
    assert_eq!(find(b"\xff%z$"), Some((2, 4)));
}

#[test]
fn malformed_patterns() {
    for (pattern, message) in [
        ("[a", "malformed pattern (missing ']')"),
        ("[]", "malformed pattern (missing ']')"),
        ("[^]", "malformed pattern (missing ']')"),
        ("[a%]", "malformed pattern (missing ']')"),
        ("[a%", "malformed pattern (missing ']')"),
        ("%f[a", "malformed pattern (missing ']')"),
        ("%", "malformed pattern (ends with '%')"),
        ("a%", "malformed pattern (ends with '%')"),
        ("%b", "malformed pattern (missing arguments to '%b')"),
        ("%ba", "malformed pattern (missing arguments to '%b')"),
        ("%f", "missing '[' after '%f' in pattern"),
        ("%fa", "missing '[' after '%f' in pattern"),
        ("(", "unfinished capture"),
        ("(.", "unfinished capture"),
        (".)", "invalid pattern capture"),
        ("%1", "invalid capture index %1"),
        ("%0", "invalid capture index %0"),
        ("(%1)", "invalid capture index %1"),
        ("(a)%2", "invalid capture index %2"),
    ] {
        assert_eq!(find("a", pattern, 0), format!("error: {message}"), "{pattern}");
    }
    // A mistake that no match gets to does not show.
    assert_eq!(find("b", "a[", 0), "nil");
    assert_eq!(find("b", "a%", 0), "nil");
}

#[test]
fn limits() {
    assert!(find("x", &"()".repeat(MAX_CAPTURES), 0).starts_with("1 0 @1 @1"));
    assert_eq!(find("x", &"()".repeat(MAX_CAPTURES + 1), 0), "error: too many captures");
    let deep = |count: usize| find(&"a".repeat(count), &"a?".repeat(count), 0);
    assert_eq!(deep(199), "1 199");
    assert_eq!(deep(200), "error: pattern too complex");
    // Items that need no way back do not nest.
    assert_eq!(find(&"a".repeat(1000), &"a".repeat(1000), 0), "1 1000");
    assert_eq!(find("b", &format!("{}b", "a*".repeat(1000)), 0), "1 1");
}

#[test]
fn more_sets_than_are_kept() {
    let pattern = "[a][b][c][d][e][f]+[g]";
    assert_eq!(find("abcdefg abcdeffg", pattern, 1), "9 16");
    assert_eq!(gmatch("abcdefg abcdeffg", pattern), "<abcdefg><abcdeffg>");
}

#[test]
fn a_matcher_serves_again_after_an_error() {
    let mut matcher = Matcher::new(b"a(%1)|(.)");
    assert_eq!(matcher.match_at(b"a", 0), Err(PatternError::InvalidCaptureIndex(1)));
    assert_eq!(matcher.match_at(b"b", 0), Ok(None));
    let mut matcher = Matcher::new(b"(a)(b)?c");
    assert_eq!(matcher.match_at(b"ab?c", 0), Ok(Some(4)));
    assert_eq!(matcher.captures(), [Capture::Span { start: 0, end: 1 }, Capture::Span { start: 1, end: 2 }]);
    assert_eq!(matcher.match_at(b"ab?c", 5), Ok(None));
}

#[test]
fn an_anchored_walk_stops_after_one_try() {
    let mut matcher = Matcher::new(b"^a");
    assert!(matcher.is_anchored());
    let mut cursor = MatchCursor::new(1);
    assert_eq!(cursor.next(&mut matcher, b"baa"), Ok(Some((1, 2))));
    assert_eq!(cursor.next(&mut matcher, b"baa"), Ok(None));
    assert_eq!(MatchCursor::new(0).next(&mut matcher, b"baa"), Ok(None));
    assert_eq!(matcher.find(b"baa", 2), Ok(Some((2, 3))));
    assert_eq!(matcher.find(b"baa", 3), Ok(None));
    assert!(!Matcher::unanchored(b"^a").is_anchored());
}

#[test]
fn values_without_captures_are_the_whole_match() {
    let mut matcher = Matcher::new(b"%d+");
    assert_eq!(matcher.find(b"ab12c", 0), Ok(Some((2, 4))));
    assert!(matcher.captures().is_empty());
    assert_eq!(matcher.values(), [Capture::Span { start: 2, end: 4 }]);
}
