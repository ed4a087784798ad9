//! The calendar, which may stand elsewhere than the system's.
#![expect(
    unsafe_code,
    reason = "a function of the C library has its name and its pointers"
)]
#![expect(unreachable_pub, reason = "the dynamic linker reaches it by its name")]

use std::env;
use std::sync::OnceLock;

use libc::{c_int, clockid_t, timespec};

use crate::real;

/// Seconds that the calendar is ahead of the system's.
fn ahead() -> i64 {
    static AHEAD: OnceLock<i64> = OnceLock::new();
    *AHEAD.get_or_init(|| {
        let text = env::var("MQTT_DISK_CLOCK").unwrap_or_default();
        text.parse().unwrap_or(0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: clockid_t, answer: *mut timespec) -> c_int {
    let arguments = [
        usize::try_from(clock).unwrap_or(0),
        answer as usize,
        0,
        0,
        0,
    ];
    // SAFETY: what the caller promises the C library.
    let told = unsafe { real::pass(libc::SYS_clock_gettime, arguments) };
    if told.is_ok() && clock == libc::CLOCK_REALTIME {
        // SAFETY: the kernel has just written there.
        let answer = unsafe { &mut *answer };
        answer.tv_sec += ahead();
    }
    match told {
        Ok(_) => 0,
        Err(number) => {
            real::set_errno(number);
            -1
        }
    }
}
