//! The board's interrupts: none are used, so the table ends behind the first.

extern "C" fn unused() {
    crate::halt()
}

/// Behind the processor's own vectors.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: [extern "C" fn(); 1] = [unused];
