//! Fresh traces: worlds of the simulator of which a real hub can be made to do everything.

use crate::swarm::{Befalls, Profile, Swarm};

impl Swarm {
    /// What this seed draws, without what nobody can do to a real hub from outside: troubles of a disk, a cut of the power,
    /// something in between what the hub decides by itself and its commit.
    /// There are a few handoffs only: each line is a request.
    #[must_use]
    pub fn conformable(seed: u64) -> Self {
        let drawn = Self::draw(seed, Profile::Directory);
        let befalls = Befalls { power_cuts: None, troubles: None, ..drawn.befalls };
        Self {
            befalls,
            interrupted: 0,
            handoffs: drawn.handoffs.min(6),
            lasts: drawn.lasts.min(3_000),
            ..drawn
        }
    }
}
