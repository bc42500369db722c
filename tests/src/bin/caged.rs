//! `caged [--known] PROFILE PROGRAM ARGUMENT…`: becomes a program under a seccomp profile, as a container
//! runtime would start it.
//!
//! Reads the format of Docker and Podman, as far as profiles here use it, and stops at anything else:
//! a part of a profile that was passed over would be a test that cannot fail. With `--known` calls
//! that are not in the table here are passed over, which makes the filter narrower. The filter is assembled
//! by hand: a walk through the rules in their order, and the default at its end.

use serde_json::Value;
use std::{os::unix::process::CommandExt, process::ExitCode};

/// Offsets in `struct seccomp_data` (seccomp(2)).
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;
/// Classic BPF (linux/bpf_common.h): load a word, jump when equal or not less, mask, return.
const LOAD: u16 = 0x20;
const EQUAL: u16 = 0x15;
const NOT_LESS: u16 = 0x35;
const MASK: u16 = 0x54;
const RETURN: u16 = 0x06;
/// What a filter answers (linux/seccomp.h).
const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;
const KILL: u32 = 0x8000_0000;
/// `AUDIT_ARCH_X86_64`, and where the numbers of its other half begin.
const X86_64: u32 = 0xc000_003e;
const X32: u32 = 0x4000_0000;

macro_rules! numbers {
    ($($name:ident $number:ident)*) => {
        /// The number of a system call.
        fn number(name: &str) -> Result<u32, String> {
            match name {
                $(stringify!($name) => u32::try_from(libc::$number).map_err(|error| error.to_string()),)*
                _ => Err(format!("the system call `{name}` is not in the table of tests/src/bin/caged.rs")),
            }
        }
    };
}

numbers! {
    accept SYS_accept accept4 SYS_accept4 access SYS_access alarm SYS_alarm arch_prctl SYS_arch_prctl bind SYS_bind brk SYS_brk
    capget SYS_capget capset SYS_capset chdir SYS_chdir chmod SYS_chmod chown SYS_chown clock_getres SYS_clock_getres
    clock_gettime SYS_clock_gettime clock_nanosleep SYS_clock_nanosleep clone SYS_clone clone3 SYS_clone3 close SYS_close
    close_range SYS_close_range connect SYS_connect copy_file_range SYS_copy_file_range creat SYS_creat dup SYS_dup dup2 SYS_dup2
    dup3 SYS_dup3 epoll_create SYS_epoll_create epoll_create1 SYS_epoll_create1 epoll_ctl SYS_epoll_ctl epoll_pwait SYS_epoll_pwait
    epoll_wait SYS_epoll_wait eventfd2 SYS_eventfd2 execve SYS_execve execveat SYS_execveat exit SYS_exit exit_group SYS_exit_group
    faccessat SYS_faccessat faccessat2 SYS_faccessat2 fadvise64 SYS_fadvise64 fallocate SYS_fallocate fchdir SYS_fchdir fchmod SYS_fchmod
    fchmodat SYS_fchmodat fchown SYS_fchown fchownat SYS_fchownat fcntl SYS_fcntl fdatasync SYS_fdatasync flock SYS_flock fstat SYS_fstat
    fstatfs SYS_fstatfs fsync SYS_fsync ftruncate SYS_ftruncate futex SYS_futex get_robust_list SYS_get_robust_list getcpu SYS_getcpu getcwd SYS_getcwd
    getdents64 SYS_getdents64 getegid SYS_getegid geteuid SYS_geteuid getgid SYS_getgid getgroups SYS_getgroups
    getpeername SYS_getpeername getpgrp SYS_getpgrp getpgid SYS_getpgid getpid SYS_getpid getppid SYS_getppid getpriority SYS_getpriority
    getrandom SYS_getrandom getresgid SYS_getresgid getresuid SYS_getresuid getrlimit SYS_getrlimit getrusage SYS_getrusage
    getsid SYS_getsid getsockname SYS_getsockname getsockopt SYS_getsockopt gettid SYS_gettid gettimeofday SYS_gettimeofday
    getuid SYS_getuid io_uring_enter SYS_io_uring_enter io_uring_register SYS_io_uring_register io_uring_setup SYS_io_uring_setup
    ioctl SYS_ioctl kill SYS_kill landlock_add_rule SYS_landlock_add_rule landlock_create_ruleset SYS_landlock_create_ruleset
    landlock_restrict_self SYS_landlock_restrict_self link SYS_link linkat SYS_linkat listen SYS_listen lseek SYS_lseek lstat SYS_lstat
    madvise SYS_madvise membarrier SYS_membarrier memfd_create SYS_memfd_create mincore SYS_mincore mkdir SYS_mkdir mkdirat SYS_mkdirat
    mlock SYS_mlock mlock2 SYS_mlock2 mmap SYS_mmap mount SYS_mount mprotect SYS_mprotect mremap SYS_mremap munlock SYS_munlock
    munmap SYS_munmap nanosleep SYS_nanosleep newfstatat SYS_newfstatat open SYS_open openat SYS_openat openat2 SYS_openat2
    pause SYS_pause personality SYS_personality pidfd_open SYS_pidfd_open pidfd_send_signal SYS_pidfd_send_signal pipe SYS_pipe
    pipe2 SYS_pipe2 poll SYS_poll ppoll SYS_ppoll prctl SYS_prctl pread64 SYS_pread64 prlimit64 SYS_prlimit64 pselect6 SYS_pselect6
    ptrace SYS_ptrace pwrite64 SYS_pwrite64 read SYS_read readlink SYS_readlink readlinkat SYS_readlinkat readv SYS_readv
    recvfrom SYS_recvfrom recvmmsg SYS_recvmmsg recvmsg SYS_recvmsg rename SYS_rename renameat SYS_renameat renameat2 SYS_renameat2
    restart_syscall SYS_restart_syscall rmdir SYS_rmdir rseq SYS_rseq rt_sigaction SYS_rt_sigaction rt_sigpending SYS_rt_sigpending
    rt_sigprocmask SYS_rt_sigprocmask rt_sigqueueinfo SYS_rt_sigqueueinfo rt_sigreturn SYS_rt_sigreturn rt_sigsuspend SYS_rt_sigsuspend
    rt_sigtimedwait SYS_rt_sigtimedwait sched_getaffinity SYS_sched_getaffinity sched_getparam SYS_sched_getparam
    sched_getscheduler SYS_sched_getscheduler sched_setaffinity SYS_sched_setaffinity sched_yield SYS_sched_yield seccomp SYS_seccomp
    select SYS_select sendfile SYS_sendfile sendmmsg SYS_sendmmsg sendmsg SYS_sendmsg sendto SYS_sendto setfsgid SYS_setfsgid
    setfsuid SYS_setfsuid setgid SYS_setgid setgroups SYS_setgroups setitimer SYS_setitimer setpgid SYS_setpgid setpriority SYS_setpriority setregid SYS_setregid
    setresgid SYS_setresgid setresuid SYS_setresuid setreuid SYS_setreuid setrlimit SYS_setrlimit setsid SYS_setsid
    setsockopt SYS_setsockopt setuid SYS_setuid set_robust_list SYS_set_robust_list set_tid_address SYS_set_tid_address
    shutdown SYS_shutdown sigaltstack SYS_sigaltstack socket SYS_socket socketpair SYS_socketpair stat SYS_stat statfs SYS_statfs
    statx SYS_statx symlink SYS_symlink symlinkat SYS_symlinkat sync_file_range SYS_sync_file_range sysinfo SYS_sysinfo tgkill SYS_tgkill
    timer_create SYS_timer_create timer_delete SYS_timer_delete timer_settime SYS_timer_settime timerfd_create SYS_timerfd_create
    timerfd_settime SYS_timerfd_settime times SYS_times tkill SYS_tkill truncate SYS_truncate umask SYS_umask uname SYS_uname
    unlink SYS_unlink unlinkat SYS_unlinkat unshare SYS_unshare utimensat SYS_utimensat vfork SYS_vfork wait4 SYS_wait4 waitid SYS_waitid
    write SYS_write writev SYS_writev
}

/// One instruction.
fn step(code: u16, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    let known = words.next_if(|word| word == "--known").is_some();
    let (Some(profile), Some(program)) = (words.next(), words.next()) else {
        eprintln!("caged [--known] PROFILE PROGRAM ARGUMENT…");
        return ExitCode::from(2);
    };
    let text = std::fs::read_to_string(&profile).map_err(|error| format!("{}: {error}", profile.display()));
    let filter =
        text.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string())).and_then(|profile| assemble(&profile, known));
    if let Err(why) = filter.and_then(|filter| load(&filter)) {
        eprintln!("caged: {why}");
        return ExitCode::from(2);
    }
    let error = std::process::Command::new(program).args(words).exec();
    eprintln!("caged: {error}");
    ExitCode::from(2)
}

fn load(filter: &[libc::sock_filter]) -> Result<(), String> {
    rustix::thread::set_no_new_privs(true).map_err(|errno| errno.to_string())?;
    let length = u16::try_from(filter.len()).map_err(|_| "the profile is too long".to_owned())?;
    let program = libc::sock_fprog { len: length, filter: filter.as_ptr().cast_mut() };
    // SAFETY: the pointer is to a live struct that tells the length of a live array; the kernel reads
    // both, copies them, and writes neither.
    let answer = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
    if answer == 0 { Ok(()) } else { Err(format!("the kernel refuses the filter: {}", std::io::Error::last_os_error())) }
}

fn assemble(profile: &Value, known: bool) -> Result<Vec<libc::sock_filter>, String> {
    only(profile, &["defaultAction", "defaultErrnoRet", "architectures", "syscalls"])?;
    let native = |list: &Vec<Value>| list.iter().any(|name| name == "SCMP_ARCH_X86_64");
    if !profile["architectures"].as_array().is_some_and(native) {
        return Err("the profile is not for x86-64".to_owned());
    }
    let default = action(&profile["defaultAction"], &profile["defaultErrnoRet"])?;
    let mut filter = vec![step(LOAD, ARCHITECTURE, 0, 0), step(EQUAL, X86_64, 1, 0), step(RETURN, KILL, 0, 0)];
    filter.extend([step(LOAD, NUMBER, 0, 0), step(NOT_LESS, X32, 0, 1), step(RETURN, KILL, 0, 0)]);
    for rule in profile["syscalls"].as_array().ok_or("`syscalls` is no list")? {
        only(rule, &["names", "action", "errnoRet", "args", "comment"])?;
        let answer = action(&rule["action"], &rule["errnoRet"])?;
        for name in rule["names"].as_array().ok_or("`names` is no list")? {
            let conditions = rule["args"].as_array().map_or(&[][..], Vec::as_slice);
            match number(name.as_str().ok_or("a name is no text")?) {
                Err(_) if known => {}
                number => one(&mut filter, number?, conditions, answer)?,
            }
        }
    }
    filter.push(step(RETURN, default, 0, 0));
    Ok(filter)
}

/// Answers when the number is this one and all conditions hold; otherwise the next rule is looked at.
fn one(filter: &mut Vec<libc::sock_filter>, number: u32, conditions: &[Value], answer: u32) -> Result<(), String> {
    let mut checks = Vec::new();
    for condition in conditions {
        only(condition, &["index", "value", "valueTwo", "op"])?;
        let of = |name: &str| condition[name].as_u64().ok_or(format!("{name} of a condition is no number"));
        let (mask, wanted) = match condition["op"].as_str() {
            Some("SCMP_CMP_EQ") => (u64::MAX, of("value")?),
            Some("SCMP_CMP_MASKED_EQ") => (of("value")?, of("valueTwo")?),
            other => return Err(format!("a condition with {other:?}")),
        };
        let at = ARGUMENTS + 8 * u32::try_from(of("index")?).map_err(|error| error.to_string())?;
        // Low word, then high word.
        for (offset, shift) in [(0, 0), (4, 32)] {
            let half = |value: u64| (value >> shift & u64::from(u32::MAX)) as u32;
            checks.push((at + offset, half(mask), half(wanted)));
        }
    }
    // Whatever fails jumps behind the answer, where the number is loaded again.
    let after = checks.len() * 3 + 1;
    filter.push(step(EQUAL, number, 0, u8::try_from(after).map_err(|_| "too many conditions")?));
    for (index, (at, mask, wanted)) in checks.iter().enumerate() {
        let rest = u8::try_from((checks.len() - index - 1) * 3 + 1).map_err(|_| "too many conditions")?;
        filter.extend([step(LOAD, *at, 0, 0), step(MASK, *mask, 0, 0), step(EQUAL, *wanted, 0, rest)]);
    }
    filter.push(step(RETURN, answer, 0, 0));
    if !checks.is_empty() {
        filter.push(step(LOAD, NUMBER, 0, 0));
    }
    Ok(())
}

fn action(word: &Value, errno: &Value) -> Result<u32, String> {
    match (word.as_str(), errno.as_u64()) {
        (Some("SCMP_ACT_ALLOW"), None) => Ok(ALLOW),
        (Some("SCMP_ACT_ERRNO"), errno) => Ok(ERRNO | errno.unwrap_or(libc::EPERM as u64) as u32 & 0xffff),
        (Some("SCMP_ACT_KILL_PROCESS"), None) => Ok(KILL),
        _ => Err(format!("the action {word} with {errno}")),
    }
}

fn only(value: &Value, known: &[&str]) -> Result<(), String> {
    let members = value.as_object().ok_or_else(|| format!("no object: {value}"))?;
    members.keys().find(|name| !known.contains(&name.as_str())).map_or(Ok(()), |name| Err(format!("an unknown member: {name}")))
}
