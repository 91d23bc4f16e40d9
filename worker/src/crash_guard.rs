//! Crashes in a call of a game: an overflow of the stack, an abort, a fault of memory.
//!
//! They end the process, and so each successor, which replays the same entry. Here the handler of the signal stops the
//! thread for good instead. Its loop is then one that is stuck: another takes its place, and the room goes to quarantine
//! when that happens a second time (D28). A crash outside the calls of games ends the process, as ever.

use std::cell::Cell;

thread_local! {
    /// Whether this thread is in a call of a game. Without a destructor, so that a handler of signals may read it.
    static IN_GAME: Cell<bool> = const { Cell::new(false) };
}

/// Notes that a game is called on this thread.
pub(crate) fn enter() {
    IN_GAME.set(true);
}

/// Notes that the game has returned.
pub(crate) fn leave() {
    IN_GAME.set(false);
}

/// Guards the process against crashes of games from now on.
#[cfg(target_os = "linux")]
pub(crate) fn install() {
    signals::install();
}

/// Does nothing: signals are known for Linux alone.
#[cfg(not(target_os = "linux"))]
pub(crate) fn install() {}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no library handles these signals safely")]
mod signals {
    use std::ffi::{c_int, c_void};
    use std::sync::OnceLock;
    use std::{mem, ptr};

    use super::IN_GAME;

    const SIGNALS: [c_int; 5] = [
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGILL,
        libc::SIGFPE,
        libc::SIGABRT,
    ];

    const TEXT: &[u8] = b"a game has crashed its thread (stack overflow, abort or fault of memory); its room loop is replaced\n";

    /// The actions before, which end the process.
    static BEFORE: OnceLock<[libc::sigaction; SIGNALS.len()]> = OnceLock::new();

    pub(super) fn install() {
        BEFORE.get_or_init(|| {
            SIGNALS.map(|signal| {
                // SAFETY: zeroes are a valid `sigaction`, whose fields are set here. `on_crash` has the signature that
                // SA_SIGINFO asks for, and calls only functions that are safe in a handler. SA_ONSTACK runs it on the
                // stack that the standard library gives each thread for overflows.
                unsafe {
                    let mut action: libc::sigaction = mem::zeroed();
                    action.sa_sigaction = on_crash as *const () as usize;
                    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                    let mut before: libc::sigaction = mem::zeroed();
                    libc::sigaction(signal, &raw const action, &raw mut before);
                    before
                }
            })
        });
    }

    extern "C" fn on_crash(signal: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
        // SAFETY: the kernel passes a valid `info` to a handler with SA_SIGINFO. `write`, `pause`, `getpid`, `sigaction` and
        // `raise` are safe in a handler. The thread never goes on after `pause`, so nothing sees what the game left behind.
        unsafe {
            let code = (*info).si_code;
            let is_own = code > 0 || (code == libc::SI_TKILL && (*info).si_pid() == libc::getpid());
            if is_own && IN_GAME.get() {
                libc::write(libc::STDERR_FILENO, TEXT.as_ptr().cast(), TEXT.len());
                loop {
                    libc::pause();
                }
            }
            let index = SIGNALS.iter().position(|known| *known == signal);
            if let Some((before, index)) = BEFORE.get().zip(index) {
                libc::sigaction(signal, &raw const before[index], ptr::null_mut());
            }
            // A fault comes again once the handler returns, to the action before. A signal that was sent does not.
            if code <= 0 {
                libc::raise(signal);
            }
        }
    }
}
