//! Numbers that look random and are not: the same seed gives the same ones for ever.

/// A sequence of numbers that a seed decides.
#[derive(Debug, Clone)]
pub struct Dice(u64);

/// Draws one number out of two, the same every time (the finalizer of SplitMix64).
#[must_use]
pub const fn mix(seed: u64, number: u64) -> u64 {
    let mut mixed = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Dice {
    /// Starts a sequence.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(mix(seed, 0))
    }

    /// Draws a number.
    pub const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0, 1)
    }

    /// Draws a number below `end`, which is not zero.
    pub const fn below(&mut self, end: u64) -> u64 {
        self.draw() % end
    }

    /// Draws a number from `least` to `most`.
    pub const fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    /// Answers yes in so many of a thousand cases.
    pub const fn permille(&mut self, cases: u64) -> bool {
        self.below(1_000) < cases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_numbers_and_another_seed_others() {
        let draw = |seed| {
            let mut dice = Dice::new(seed);
            (0..100).map(|_| dice.below(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert!(draw(7).iter().any(|number| *number < 100));
        assert!(draw(7).iter().any(|number| *number >= 900));
    }
}
