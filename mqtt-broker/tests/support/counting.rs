//! The system's allocator with a count of what a thread asks of it. Counted, not timed, so that it
//! can fail a build.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What a piece of work asked of the allocator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    pub allocations: usize,
    /// Bytes asked for; a block that grows counts again with its new size, as if it were copied.
    pub bytes: usize,
    /// Bytes held in the end and not in the beginning; negative if more was given back.
    pub kept: isize,
}

thread_local! {
    static COST: Cell<Cost> = const { Cell::new(Cost { allocations: 0, bytes: 0, kept: 0 }) };
}

/// What `work` costs on this thread.
pub fn cost_of(work: impl FnOnce()) -> Cost {
    let before = COST.get();
    work();
    let after = COST.get();
    Cost {
        allocations: after.allocations - before.allocations,
        bytes: after.bytes - before.bytes,
        kept: after.kept - before.kept,
    }
}

fn count(allocated: usize, given_back: usize) {
    // The thread's cell may be gone while the thread ends; nobody counts then.
    let _ = COST.try_with(|cost| {
        let Cost {
            allocations,
            bytes,
            kept,
        } = cost.get();
        cost.set(Cost {
            allocations: allocations + usize::from(allocated > 0),
            bytes: bytes + allocated,
            kept: kept + allocated.cast_signed() - given_back.cast_signed(),
        });
    });
}

struct Counting;

// SAFETY: every call is passed on to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promise is the system allocator's condition.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
