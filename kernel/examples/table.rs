//! Prints `spec/TABLE.md`: the transition table, from the kernel's own `step`.

fn main() {
    print!("{}", handoff_kernel::testing::table::render(&handoff_kernel::law::Protocol));
}
