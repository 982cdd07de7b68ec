//! The memory limit of the control group that this process runs in, as containers and services set it.
//!
//! Owns: how the kernel's files are read. Callers: `os/linux.rs` with the real files; tests with files of their own.
//! Invariants: [`limit`] is a pure function of what its reader returns. It believes nothing and fails never: a file
//! that is missing or makes no sense limits nothing.
//!
//! A group is limited by its own limit and by those above it, so the least on the way to the root counts. In a
//! container the path to the group may be one of the world outside, of which only the root is mounted here: levels that
//! are missing are passed over. Version 2 has one tree of groups, version 1 one for each kind of resource.

use crate::os::{Os, System};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Where a process's groups are listed.
const GROUPS: &str = "/proc/self/cgroup";

/// Longest path of a group that is followed, in bytes: the kernel's `PATH_MAX`.
const LONGEST_PATH: usize = 4096;

/// From here on a number is version 1's way to say "no limit": the largest number of bytes in whole pages.
const NO_LIMIT: u64 = 1 << 62;

/// A tree of groups: where it is mounted, and the file with a group's limit.
struct Tree {
    root: &'static str,
    file: &'static str,
}

const VERSION_2: Tree = Tree { root: "/sys/fs/cgroup", file: "memory.max" };
const VERSION_1: Tree = Tree { root: "/sys/fs/cgroup/memory", file: "memory.limit_in_bytes" };

/// Most bytes of memory that the control group of this process may use, or `None` if nothing limits it. Reads the
/// kernel's files at each call: a limit may change while a process runs.
pub fn cgroup_limit() -> Option<u64> {
    System::new().memory_limit()
}

/// As [`cgroup_limit`], with `read` for reading a file; it returns `None` for one that can not be read.
pub(crate) fn limit(mut read: impl FnMut(&Path) -> Option<Vec<u8>>) -> Option<u64> {
    let groups = read(Path::new(GROUPS))?;
    let named = groups.split(|&byte| byte == b'\n').filter_map(tree_and_group);
    named.filter_map(|(tree, group)| least(tree, group, &mut read)).min()
}

/// A line `number:kinds:/path`: the tree, if it limits memory, and the path of the group in it.
fn tree_and_group(line: &[u8]) -> Option<(Tree, &Path)> {
    let mut fields = line.splitn(3, |&byte| byte == b':');
    let (number, kinds, path) = (fields.next()?, fields.next()?, fields.next()?);
    let path = Path::new(OsStr::from_bytes(path));
    if number == b"0" && kinds.is_empty() {
        Some((VERSION_2, path))
    } else {
        kinds.split(|&byte| byte == b',').any(|kind| kind == b"memory").then_some((VERSION_1, path))
    }
}

/// The least limit from the group up to the root.
fn least(tree: Tree, group: &Path, read: &mut impl FnMut(&Path) -> Option<Vec<u8>>) -> Option<u64> {
    let mut level = PathBuf::from(tree.root);
    let mut levels = vec![level.clone()];
    // A group outside what is mounted here is named with `..`; what it would lead to is another group or none.
    let names = |component: &Component<'_>| matches!(component, Component::RootDir | Component::Normal(_));
    if group.as_os_str().len() <= LONGEST_PATH && group.components().all(|component| names(&component)) {
        for component in group.components() {
            if let Component::Normal(name) = component {
                level.push(name);
                levels.push(level.clone());
            }
        }
    }
    levels.iter().filter_map(|level| number(&read(&level.join(tree.file))?)).min()
}

/// The content of a file with a limit; `None` for "max", for what is as good, and for what is no number.
fn number(content: &[u8]) -> Option<u64> {
    let number = std::str::from_utf8(content).ok()?.trim_ascii().parse::<u64>().ok()?;
    (number < NO_LIMIT).then_some(number)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// The limit that these files say, and how many files were read.
    fn read_all(files: &[(&str, &[u8])]) -> (Option<u64>, usize) {
        let mut reads = 0;
        let found = limit(|path| {
            reads += 1;
            files.iter().find(|(name, _)| Path::new(name) == path).map(|(_, content)| content.to_vec())
        });
        (found, reads)
    }

    fn limit_of(files: &[(&str, &[u8])]) -> Option<u64> {
        read_all(files).0
    }

    #[test]
    fn the_least_limit_up_to_the_root_counts() {
        let groups: (&str, &[u8]) = (GROUPS, b"0::/a/b\n");
        let below: (&str, &[u8]) = ("/sys/fs/cgroup/a/b/memory.max", b"3000\n");
        let middle: (&str, &[u8]) = ("/sys/fs/cgroup/a/memory.max", b"2000\n");
        let root: (&str, &[u8]) = ("/sys/fs/cgroup/memory.max", b"9000");
        let none: (&str, &[u8]) = ("/sys/fs/cgroup/a/memory.max", b"max\n");
        assert_eq!(limit_of(&[groups, below, middle, root]), Some(2000));
        assert_eq!(limit_of(&[groups, below, none, root]), Some(3000));
        assert_eq!(limit_of(&[groups, none, root]), Some(9000));
        assert_eq!(limit_of(&[groups, none]), None);
        assert_eq!(limit_of(&[groups]), None);
        assert_eq!(limit_of(&[below, middle, root]), None);
    }

    #[test]
    fn version_1_has_a_tree_for_memory() {
        let groups: (&str, &[u8]) = (GROUPS, b"5:cpu,cpuacct:/x\n4:hugetlb,memory:/m\n1:name=memory:/n\n0::/z\n");
        let below: (&str, &[u8]) = ("/sys/fs/cgroup/memory/m/memory.limit_in_bytes", b"5000\n");
        let root: (&str, &[u8]) = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", b"9223372036854771712\n");
        let version_2: (&str, &[u8]) = ("/sys/fs/cgroup/z/memory.max", b"4000\n");
        assert_eq!(limit_of(&[groups, below, root]), Some(5000));
        assert_eq!(limit_of(&[groups, below, root, version_2]), Some(4000));
        assert_eq!(limit_of(&[groups, root]), None);
        let others: (&str, &[u8]) = ("/sys/fs/cgroup/memory/n/memory.limit_in_bytes", b"1\n");
        assert_eq!(limit_of(&[groups, others]), None);
    }

    #[test]
    fn what_makes_no_sense_limits_nothing() {
        let root = "/sys/fs/cgroup/memory.max";
        let contents: [&[u8]; 9] = [
            b"",
            b"\n",
            b"max",
            b"-1\n",
            b"12 34",
            b"0x10",
            b"\xff\xfe",
            b"99999999999999999999999999",
            b"18446744073709551615",
        ];
        for content in contents {
            assert_eq!(limit_of(&[(GROUPS, b"0::/\n"), (root, content)]), None, "{content:?}");
        }
        assert_eq!(limit_of(&[(GROUPS, b"0::/\n"), (root, b" 0 \r\n\n")]), Some(0));
        let lists: [&[u8]; 6] = [b"", b"\n\n\n", b"0:", b"::::::", b"\xff\xff:\x00", b"0:/a"];
        for groups in lists {
            assert_eq!(limit_of(&[(GROUPS, groups), (root, b"7")]), None, "{groups:?}");
        }
    }

    #[test]
    fn strange_paths_lead_no_further_than_the_root() {
        let root: (&str, &[u8]) = ("/sys/fs/cgroup/memory.max", b"7");
        let outside: (&str, &[u8]) = ("/sys/fs/memory.max", b"1");
        let long = [b"0::".as_slice(), &b"/a".repeat(100_000)].concat();
        let groups: [&[u8]; 6] =
            [b"0::/../..", b"0::/a/../../b", b"0::", b"0::a/./b\n", b"0::/a\xff/b (deleted)\n", &long];
        for groups in groups {
            let (found, reads) = read_all(&[(GROUPS, groups), outside, root]);
            assert_eq!(found, Some(7), "{}", String::from_utf8_lossy(groups).get(..30).unwrap_or_default());
            assert!(reads <= 4, "{reads} files read");
        }
    }

    #[test]
    fn this_process_has_a_limit_or_none() {
        // A process that runs this test was allowed a page at least.
        assert!(cgroup_limit().is_none_or(|bytes| bytes >= 4096));
    }
}
