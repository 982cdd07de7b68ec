//! Tests of conversions; the expected texts are those that Lua 5.4 gives.

use super::*;

fn spec(text: &str) -> Spec {
    let (spec, consumed) = parse_spec(text.as_bytes()).unwrap();
    assert_eq!(consumed, text.len());
    spec
}

fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = b"before ".to_vec();
    write(&mut out);
    String::from_utf8(out).unwrap().strip_prefix("before ").unwrap().into()
}

fn int(format: &str, value: i64) -> String {
    text(|out| format_int(out, &spec(format), value))
}

fn float(format: &str, value: f64) -> String {
    text(|out| format_float(out, &spec(format), value))
}

fn bytes(format: &str, value: &str) -> String {
    text(|out| format_bytes(out, &spec(format), value.as_bytes()))
}

#[test]
fn decimal_floats() {
    for (format, value, expected) in [
        ("g", 0.0, "0"),
        (" G", 0.0, " 0"),
        ("e", 0.0, "0.000000e+00"),
        ("-8.1f", 0.0, "0.0     "),
        (".3f", 0.0, "0.000"),
        ("010g", -0.0, "-000000000"),
        ("+g", -0.0, "-0"),
        ("#.0f", -0.0, "-0."),
        ("010.2f", -0.0, "-000000.00"),
        ("10.3g", 1.0, "         1"),
        ("-10g", 1.0, "1         "),
        ("f", 1.0, "1.000000"),
        (".0f", 1.0, "1"),
        (".0g", 100000.0, "1e+05"),
        (".3g", 100000.0, "1e+05"),
        ("#.0e", 100000.0, "1.e+05"),
        (".3E", 100000.0, "1.000E+05"),
        ("g", 1000000.0, "1e+06"),
        ("#g", 1000000.0, "1.00000e+06"),
        ("e", 1000000.0, "1.000000e+06"),
        (".0e", 1000000.0, "1e+06"),
        (".3f", 1000000.0, "1000000.000"),
        (".14g", 1000000.0, "1000000"),
        ("+g", 1234567.0, "+1.23457e+06"),
        (" G", 1234567.0, " 1.23457E+06"),
        ("010.2f", 1234567.0, "1234567.00"),
        ("-8.1f", 1234567.0, "1234567.0"),
        ("-10g", 0.0001, "0.0001    "),
        ("010g", 0.0001, "00000.0001"),
        (".0f", 0.0001, "0"),
        ("#.0f", 0.0001, "0."),
        (".3g", 1e-05, "1e-05"),
        ("10.3g", 1e-05, "     1e-05"),
        (".3E", 1e-05, "1.000E-05"),
        ("f", 1e-05, "0.000010"),
        ("#g", 1e100, "1.00000e+100"),
        (".0g", 1e100, "1e+100"),
        (".0e", 1e100, "1e+100"),
        ("#.0e", 1e100, "1.e+100"),
        (".14g", 1e100, "1e+100"),
        ("g", 2.5, "2.5"),
        (" G", 2.5, " 2.5"),
        ("e", 2.5, "2.500000e+00"),
        ("-8.1f", 2.5, "2.5     "),
        (".3f", 2.5, "2.500"),
        ("010g", 9.5, "00000009.5"),
        ("+g", 9.5, "+9.5"),
        ("#.0f", 9.5, "10."),
        ("010.2f", 9.5, "0000009.50"),
        ("10.3g", 999999.5, "     1e+06"),
        ("-10g", 999999.5, "1e+06     "),
        ("f", 999999.5, "999999.500000"),
        (".0f", 999999.5, "1000000"),
        (".0g", 0.1, "0.1"),
        (".3g", 0.1, "0.1"),
        ("#.0e", 0.1, "1.e-01"),
        (".3E", 0.1, "1.000E-01"),
        ("g", 5e-324, "4.94066e-324"),
        ("#g", 5e-324, "4.94066e-324"),
        ("e", 5e-324, "4.940656e-324"),
        (".0e", 5e-324, "5e-324"),
        (".3f", 5e-324, "0.000"),
        (".14g", 5e-324, "4.9406564584125e-324"),
    ] {
        assert_eq!(float(format, value), expected, "{format} {value:e}");
    }
}

#[test]
fn hexadecimal_floats_and_what_is_not_finite() {
    for (format, value, expected) in [
        ("a", 1.0, "0x1p+0"),
        ("a", 0.5, "0x1p-1"),
        ("a", -0.0, "-0x0p+0"),
        ("A", 255.5, "0X1.FFP+7"),
        (".0a", 1.5, "0x2p+0"),
        (".0a", 2.5, "0x1p+1"),
        (".0a", 3.5, "0x2p+1"),
        (".1a", 1.96875, "0x2.0p+0"),
        (".2a", 1.99999, "0x2.00p+0"),
        (".20a", 0.1, "0x1.999999999999a0000000p-4"),
        ("a", 5e-324, "0x0.0000000000001p-1022"),
        (".0a", 5e-324, "0x0p-1022"),
        (".3a", 5e-324, "0x0.000p-1022"),
        ("#.0a", 1.0, "0x1.p+0"),
        ("020a", 1.0, "0x000000000000001p+0"),
        ("20a", 1.0, "              0x1p+0"),
        ("-20a", 1.0, "0x1p+0              "),
        ("+a", 1.0, "+0x1p+0"),
        (".12a", f64::from_bits(0x0001_2345_6789_abcd), "0x0.123456789abdp-1022"),
        ("a", f64::MAX, "0x1.fffffffffffffp+1023"),
        (".0a", f64::MAX, "0x2p+1023"),
        (".3a", 0.0, "0x0.000p+0"),
        ("5.1f", f64::INFINITY, "  inf"),
        ("010f", f64::NEG_INFINITY, "      -inf"),
        ("+G", f64::INFINITY, "+INF"),
        (" e", f64::NAN.copysign(-1.0), "-nan"),
        ("-8g", f64::NAN.copysign(1.0), "nan     "),
        ("A", f64::NAN.copysign(-1.0), "-NAN"),
        ("+f", f64::NAN.copysign(1.0), "+nan"),
        (".14g", f64::NAN.copysign(-1.0), "-nan"),
    ] {
        assert_eq!(float(format, value), expected, "{format} {value:e}");
    }
}

#[test]
fn rounding_goes_to_the_nearest_and_ties_to_even() {
    for (format, value, expected) in [
        (".3f", 2.0 / 3.0, "0.667"),
        (".3f", 0.0005, "0.001"),
        (".3f", 1.0005, "1.000"),
        (".1f", 0.25, "0.2"),
        (".1f", 0.35, "0.3"),
        (".0f", 0.5, "0"),
        (".0f", 1.5, "2"),
    ] {
        assert_eq!(float(format, value), expected);
    }
    let long = float(".99f", f64::MAX);
    assert_eq!((long.len(), &long[..20]), (409, "17976931348623157081"));
    let long = float(".99e", 5e-324);
    assert_eq!((long.len(), &long[76..]), (106, "2087518652998363616359924e-324"));
}

#[test]
fn integers() {
    for (format, value, expected) in [
        ("05d", 0, "00000"),
        (".3d", 0, "000"),
        ("#x", 0, "0"),
        ("#o", 0, "0"),
        ("-20u", 0, "0                   "),
        ("05d", 1, "00001"),
        (".3d", 1, "001"),
        ("#x", 1, "0x1"),
        ("#o", 1, "01"),
        ("-20u", 1, "1                   "),
        ("05d", -10, "-0010"),
        (".3d", -10, "-010"),
        ("#x", -10, "0xfffffffffffffff6"),
        ("#o", -10, "01777777777777777777766"),
        ("-20u", -10, "18446744073709551606"),
        ("05d", 255, "00255"),
        (".3d", 255, "255"),
        ("#x", 255, "0xff"),
        ("#o", 255, "0377"),
        ("-20u", 255, "255                 "),
        ("05d", i64::MIN, "-9223372036854775808"),
        (".3d", i64::MIN, "-9223372036854775808"),
        ("#x", i64::MIN, "0x8000000000000000"),
        ("#o", i64::MIN, "01000000000000000000000"),
        ("-20u", i64::MIN, "9223372036854775808 "),
        ("+i", 0, "+0"),
        (" i", 7, " 7"),
        (" d", -7, "-7"),
        (".0d", 0, ""),
        (".d", 0, ""),
        ("+.0d", 0, "+"),
        ("5.0d", 0, "     "),
        (".0x", 0, ""),
        ("#.0o", 0, "0"),
        ("#.3o", 8, "010"),
        ("#.0x", 0, ""),
        ("#X", 171, "0XAB"),
        ("08.3d", -10, "    -010"),
        ("-20.10d", -10, "-0000000010         "),
        ("#010x", 255, "0x000000ff"),
        ("0-8d", 1, "1       "),
    ] {
        assert_eq!(int(format, value), expected, "{format} {value}");
    }
}

#[test]
fn strings_bytes_and_addresses() {
    assert_eq!(bytes("s", "text"), "text");
    assert_eq!(bytes("5.2s", "text"), "   te");
    assert_eq!(bytes("-6.3s", "text"), "tex   ");
    assert_eq!(bytes(".0s", "text"), "");
    assert_eq!(bytes(".s", "text"), "");
    assert_eq!(bytes(".9s", "text"), "text");
    assert_eq!(text(|out| format_char(out, &spec("c"), b'A')), "A");
    assert_eq!(text(|out| format_char(out, &spec("3c"), 0)), "  \0");
    assert_eq!(text(|out| format_char(out, &spec("-3c"), b'A')), "A  ");
    assert_eq!(text(|out| format_pointer(out, &spec("p"), Some(0xbeef0))), "0xbeef0");
    assert_eq!(text(|out| format_pointer(out, &spec("10p"), Some(0xbeef0))), "   0xbeef0");
    assert_eq!(text(|out| format_pointer(out, &spec("-10p"), None)), "(null)    ");
}

#[test]
fn specifications() {
    let (spec, consumed) = parse_spec(b"-+ #012.34g tail").unwrap();
    let all = Flags { left: true, plus: true, space: true, alternate: true, zero: true };
    assert_eq!(spec, Spec { flags: all, width: 12, precision: Some(34), conversion: b'g' });
    assert_eq!(consumed, 11);
    assert!(!spec.is_bare());
    let (spec, consumed) = parse_spec(b"%d").unwrap();
    assert_eq!((spec.conversion, consumed), (b'%', 1));
    let (spec, consumed) = parse_spec(b"q5").unwrap();
    assert_eq!((spec.conversion, consumed), (b'q', 1));
    assert!(spec.is_bare());
}

#[test]
fn faulty_specifications() {
    for (format, message) in [
        ("y", "invalid conversion '%y' to 'format'"),
        ("", "invalid conversion '%' to 'format'"),
        ("\0", "invalid conversion '%' to 'format'"),
        (".3", "invalid conversion '%.3' to 'format'"),
        ("ld", "invalid conversion '%l' to 'format'"),
        ("F", "invalid conversion '%F' to 'format'"),
        ("5%", "invalid conversion '%5%' to 'format'"),
        ("10.123d", "invalid conversion specification: '%10.123d'"),
        ("123d", "invalid conversion specification: '%123d'"),
        (".100f", "invalid conversion specification: '%.100f'"),
        ("#i", "invalid conversion specification: '%#i'"),
        ("0s", "invalid conversion specification: '%0s'"),
        ("+x", "invalid conversion specification: '%+x'"),
        ("05c", "invalid conversion specification: '%05c'"),
        (".3c", "invalid conversion specification: '%.3c'"),
        (".p", "invalid conversion specification: '%.p'"),
        ("..3d", "invalid conversion specification: '%..3d'"),
        ("3 d", "invalid conversion specification: '%3 d'"),
        ("5q", "specifier '%q' cannot have modifiers"),
        ("--------------------y", "invalid conversion '%--------------------y' to 'format'"),
        ("---------------------d", "invalid format (too long)"),
        ("1234567890123456789012345d", "invalid format (too long)"),
    ] {
        let error = parse_spec(format.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!(text(|out| error.write_message(out)), message);
    }
    let error = parse_spec(b"3\xff").unwrap_err();
    assert_eq!(error.to_string(), "invalid conversion '%3\u{fffd}' to 'format'");
    let mut message = Vec::new();
    error.write_message(&mut message);
    assert_eq!(message, b"invalid conversion '%3\xff' to 'format'");
}

#[test]
fn quoted_strings() {
    for (value, expected) in [
        ("", r#""""#),
        ("plain é", r#""plain é""#),
        ("a\"b\\c", r#""a\"b\\c""#),
        ("a\nb", "\"a\\\nb\""),
        ("\r\n", "\"\\13\\\n\""),
        ("\0", r#""\0""#),
        ("a\x001", r#""a\0001""#),
        ("\t", r#""\9""#),
        ("\r1", r#""\0131""#),
        ("\x7f2", r#""\1272""#),
        ("\x7fa", r#""\127a""#),
        ("\x0bx", r#""\11x""#),
    ] {
        assert_eq!(text(|out| quote_bytes(out, value.as_bytes())), expected);
    }
}

#[test]
fn quoted_numbers() {
    for (value, expected) in
        [(0, "0"), (-12, "-12"), (i64::MAX, "9223372036854775807"), (i64::MIN, "0x8000000000000000")]
    {
        assert_eq!(text(|out| quote_int(out, value)), expected);
    }
    for (value, expected) in [
        (3.0, "0x1.8p+1"),
        (-0.0, "-0x0p+0"),
        (1e100, "0x1.249ad2594c37dp+332"),
        (5e-324, "0x0.0000000000001p-1022"),
        (f64::INFINITY, "1e9999"),
        (f64::NEG_INFINITY, "-1e9999"),
        (f64::NAN, "(0/0)"),
        (-f64::NAN, "(0/0)"),
    ] {
        assert_eq!(text(|out| quote_float(out, value)), expected);
    }
}
