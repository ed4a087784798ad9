//! Chance, drawn from a seed: the same numbers on every machine and for ever, which no library of
//! random numbers promises.

/// A generator of numbers: `SplitMix64`.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Begins a row of numbers. Seeds that lie side by side give rows that have nothing in common.
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Self(seed);
        Self(dice.next())
    }

    /// Any number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the high half of a product of 64 and 32 bits is below `end`"
    )]
    pub(crate) fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    /// A number from `from` to `to`, both included.
    pub(crate) fn range(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from + 1)
    }

    /// True in `percent` of a hundred cases.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of several.
    pub(crate) fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.below(among.len())]
    }

    /// Sixteen times two bytes: what a broker draws at its start.
    pub(crate) fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seeds that are kept mean something only while these numbers stay what they are.
    #[test]
    fn the_numbers_of_a_seed_never_change() {
        let mut dice = Dice::new(1);
        let numbers: Vec<u64> = (0..3).map(|_| dice.next()).collect();
        assert_eq!(
            numbers,
            [
                6_791_897_765_849_424_158,
                17_405_687_883_870_564_846,
                834_844_254_806_117_752
            ],
            "the generator was changed"
        );
    }

    #[test]
    fn numbers_stay_in_their_range_and_reach_its_ends() {
        let mut dice = Dice::new(7);
        let drawn: Vec<u64> = (0..1000).map(|_| dice.range(3, 6)).collect();
        assert_eq!(
            (drawn.iter().min(), drawn.iter().max()),
            (Some(&3), Some(&6))
        );
        let below: Vec<usize> = (0..1000).map(|_| dice.below(3)).collect();
        assert_eq!(
            (below.iter().min(), below.iter().max()),
            (Some(&0), Some(&2))
        );
        let hits = (0..10_000).filter(|_| dice.chance(30)).count();
        assert!((2_700..3_300).contains(&hits), "{hits}");
    }
}
