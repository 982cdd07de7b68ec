//! The operating-system functions that need no more than the standard library.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::Functions;
use crate::table;
use crate::value::Value;
use crate::vm::call::Args;
use crate::vm::{Failure, Vm};

/// The functions by name.
pub(super) const FUNCTIONS: Functions = &[
    ("clock", clock),
    ("time", time),
    ("date", date),
    ("difftime", difftime),
    ("getenv", getenv),
    ("exit", exit),
    ("remove", remove),
    ("rename", rename),
    ("tmpname", tmpname),
];

/// When the process asked for the clock first: what the clock counts from where the system has no processor time.
static START: OnceLock<Instant> = OnceLock::new();

/// Processor seconds that the process has used, where the system says.
fn processor_seconds() -> Option<f64> {
    // Fields 14 and 15 of the line, in ticks of a hundredth; the second field may hold spaces and ends with `)`.
    let line = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = line.rsplit(')').next()?.split_ascii_whitespace();
    let user: f64 = fields.nth(11)?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / 100.0)
}

fn clock(vm: &mut Vm<'_>, _: Args) -> Result<usize, Failure> {
    let start = START.get_or_init(Instant::now);
    let seconds = processor_seconds().unwrap_or_else(|| start.elapsed().as_secs_f64());
    vm.give(Value::float(seconds))
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() as i64)
}

/// Days since 1970-01-01 of a date in the Gregorian calendar; months may be out of range.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = year + (month - 1).div_euclid(12);
    let month = (month - 1).rem_euclid(12) + 1;
    // Years start in March here, so that the leap day is the last one.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
}

/// The date of a day number: year, month, day.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

fn time(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    if vm.arg(args, 0).is_nil() {
        return vm.give(Value::int(now()));
    }
    let t = vm.check_table(args, 0)?;
    let field = |name: &str, default: Option<i64>| -> Result<i64, Failure> {
        let value = table::get_str(t, vm.string(name.as_bytes())?);
        match crate::vm::arith::to_number(value) {
            Some(number) => crate::vm::arith::to_int(number)
                .ok_or_else(|| vm.native_error(&format!("field '{name}' is not an integer"))),
            None if !value.is_nil() => Err(vm.native_error(&format!("field '{name}' is not an integer"))),
            None => default.ok_or_else(|| vm.native_error(&format!("field '{name}' missing in date table"))),
        }
    };
    let (year, month, day) = (field("year", None)?, field("month", None)?, field("day", None)?);
    let (hour, minute, second) = (field("hour", Some(12))?, field("min", Some(0))?, field("sec", Some(0))?);
    let seconds = days_of(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    vm.give(Value::int(seconds))
}

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// `os.date`: all times are in Coordinated Universal Time, since the standard library knows no time zones.
fn date(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let format = if vm.arg(args, 0).is_nil() { b"%c".to_vec() } else { vm.check_bytes(args, 0)?.to_vec() };
    let time = if vm.arg(args, 1).is_nil() { now() } else { vm.check_int(args, 1)? };
    let format = format.strip_prefix(b"!").unwrap_or(&format);
    let (days, second_of_day) = (time.div_euclid(86_400), time.rem_euclid(86_400));
    let (year, month, day) = date_of(days);
    let weekday = (days + 4).rem_euclid(7);
    let day_of_year = days - days_of(year, 1, 1) + 1;
    let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    if format.starts_with(b"*t") {
        let t = vm.new_table()?;
        let fields = [
            ("year", year),
            ("month", month),
            ("day", day),
            ("hour", hour),
            ("min", minute),
            ("sec", second),
            ("wday", weekday + 1),
            ("yday", day_of_year),
        ];
        for (name, value) in fields {
            super::set_field(vm, t, name, Value::int(value))?;
        }
        super::set_field(vm, t, "isdst", Value::bool(false))?;
        return vm.give(Value::table(t));
    }
    let (day_name, month_name) = (DAYS[weekday as usize], MONTHS[month as usize - 1]);
    let mut out = String::new();
    let mut items = format.iter();
    while let Some(&byte) = items.next() {
        if byte != b'%' {
            out.push(char::from(byte));
            continue;
        }
        let text = match items.next() {
            Some(b'Y') => format!("{year}"),
            Some(b'y') => format!("{:02}", year.rem_euclid(100)),
            Some(b'm') => format!("{month:02}"),
            Some(b'd') => format!("{day:02}"),
            Some(b'H') => format!("{hour:02}"),
            Some(b'I') => format!("{:02}", (hour + 11) % 12 + 1),
            Some(b'M') => format!("{minute:02}"),
            Some(b'S') => format!("{second:02}"),
            Some(b'p') => (if hour < 12 { "AM" } else { "PM" }).to_owned(),
            Some(b'A') => day_name.to_owned(),
            Some(b'a') => day_name[..3].to_owned(),
            Some(b'B') => month_name.to_owned(),
            Some(b'b' | b'h') => month_name[..3].to_owned(),
            Some(b'w') => format!("{weekday}"),
            Some(b'j') => format!("{day_of_year:03}"),
            Some(b'c') => {
                let (day_name, month_name) = (&day_name[..3], &month_name[..3]);
                format!("{day_name} {month_name} {day:>2} {hour:02}:{minute:02}:{second:02} {year}")
            }
            Some(b'x' | b'D') => format!("{month:02}/{day:02}/{:02}", year.rem_euclid(100)),
            Some(b'X' | b'T') => format!("{hour:02}:{minute:02}:{second:02}"),
            Some(b'F') => format!("{year}-{month:02}-{day:02}"),
            Some(b'R') => format!("{hour:02}:{minute:02}"),
            Some(b'Z') => "GMT".to_owned(),
            Some(b'z') => "+0000".to_owned(),
            Some(b'n') => "\n".to_owned(),
            Some(b't') => "\t".to_owned(),
            Some(b'%') => "%".to_owned(),
            other => {
                let item = other.map_or(String::new(), |&byte| char::from(byte).to_string());
                return Err(vm.argument_error(0, &format!("invalid conversion specifier '%{item}'")));
            }
        };
        out.push_str(&text);
    }
    vm.give_bytes(out.as_bytes())
}

fn difftime(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let (a, b) = (vm.check_float(args, 0)?, if args.count > 1 { vm.check_float(args, 1)? } else { 0.0 });
    vm.give(Value::float(a - b))
}

fn getenv(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let name = super::io::os_path(vm.check_bytes(args, 0)?);
    match std::env::var_os(name) {
        Some(value) => vm.give_bytes(value.as_encoded_bytes()),
        None => vm.give(Value::NIL),
    }
}

fn exit(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let code = match vm.arg(args, 0) {
        value if value.is_nil() => 0,
        value if value.is_falsy() => 1,
        value if value.same_words(Value::bool(true)) => 0,
        _ => vm.check_int(args, 0)? as i32,
    };
    vm.files.flush_all();
    std::process::exit(code);
}

fn remove(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let name = vm.check_bytes(args, 0)?.to_vec();
    vm.committed.set(true);
    let path = super::io::os_path(&name);
    let outcome = std::fs::remove_file(&path).or_else(|error| std::fs::remove_dir(&path).map_err(|_| error));
    super::io::outcome(vm, outcome, Some(&name))
}

fn rename(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let (from, to) = (vm.check_bytes(args, 0)?.to_vec(), vm.check_bytes(args, 1)?.to_vec());
    vm.committed.set(true);
    let outcome = std::fs::rename(super::io::os_path(&from), super::io::os_path(&to));
    super::io::outcome(vm, outcome, Some(&from))
}

fn tmpname(vm: &mut Vm<'_>, _: Args) -> Result<usize, Failure> {
    let mut state = vm.random.get()[0] ^ now() as u64 ^ u64::from(std::process::id()) << 32;
    for _ in 0..100 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let path = std::env::temp_dir().join(format!("lua_{:08x}", state >> 32));
        if std::fs::OpenOptions::new().write(true).create_new(true).open(&path).is_ok() {
            // Another try would make another file.
            vm.committed.set(true);
            return vm.give_built(path.as_os_str().as_encoded_bytes().to_vec());
        }
    }
    Err(vm.native_error("unable to generate a unique filename"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_day_numbers_agree() {
        assert_eq!(days_of(1970, 1, 1), 0);
        assert_eq!(date_of(0), (1970, 1, 1));
        for days in (-800_000..800_000).step_by(97) {
            let (year, month, day) = date_of(days);
            assert_eq!(days_of(year, month, day), days);
        }
    }
}
