//! Random decisions without a state: each is a keyed hash of the seed and of what is decided.
//!
//! A decision depends on nothing but its arguments. So who is in a send and who opens it can be asked again in any order, from any
//! thread, and has the same answer. Nothing has to be remembered between files.

/// What a roll decides. Two decisions about the same thing never share a roll.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub enum On {
    Account = 1,
    Affiliation,
    Bounce,
    BounceDelay,
    Campaign,
    Click,
    ClickDelay,
    ClickLink,
    ClickTimes,
    Clicks,
    Day,
    Dead,
    Deleted,
    Employment,
    Extra,
    Fate,
    FirstName,
    Gone,
    Hour,
    LastName,
    Late,
    LateDelay,
    Lead,
    Leads,
    Merged,
    Missing,
    Open,
    OpenDelay,
    Orphan,
    Owner,
    Person,
    Propensity,
    Quirk,
    Repeat,
    Send,
    Spread,
    Start,
    Step,
    Tail,
    Touch,
    Unit,
    Unsubscribe,
    Words,
    // Behind the others: what was rolled before stays what it was.
    OptOut,
}

/// A source of rolls about one thing: the whole recipe, a send, a person, a person in a send.
#[derive(Clone, Copy, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The dice of a seed.
    pub fn new(seed: u64) -> Self {
        Self(mix(seed ^ 0x9e37_79b9_7f4a_7c15))
    }

    /// The dice of one entity.
    pub fn of(self, on: On, entity: u64) -> Self {
        Self(self.roll(on)).at(entity)
    }

    /// The dice of one more entity, cheaply: one mixing step.
    pub fn at(self, entity: u64) -> Self {
        Self(mix(self.0 ^ entity.wrapping_mul(0xd6e8_feb8_6659_fd93)))
    }

    /// All 64 bits.
    pub fn roll(self, on: On) -> u64 {
        mix(self.0.wrapping_add((on as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// 0 .. 1, 1 excluded.
    pub fn share(self, on: On) -> f64 {
        (self.roll(on) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with this probability.
    pub fn chance(self, on: On, probability: f64) -> bool {
        self.share(on) < probability
    }

    /// 0 .. n, n excluded; 0 when n is 0.
    pub fn below(self, on: On, n: u64) -> u64 {
        ((u128::from(self.roll(on)) * u128::from(n)) >> 64) as u64
    }

    /// One of a list that is not empty.
    pub fn pick<T>(self, on: On, list: &[T]) -> &T {
        &list[self.below(on, list.len() as u64) as usize]
    }

    /// The state itself, as a roll that costs nothing more.
    pub fn raw(self) -> u64 {
        self.0
    }
}

/// The finaliser of splitmix64: every input bit moves every output bit.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rolls_are_even_and_repeatable() {
        let dice = Dice::new(7);
        let hits = (0..100_000).filter(|&person| dice.of(On::Open, person).chance(On::Click, 0.35)).count();
        assert!((34_300..35_700).contains(&hits), "{hits}");
        assert_eq!(dice.of(On::Open, 3).roll(On::Click), Dice::new(7).of(On::Open, 3).roll(On::Click));
        assert_ne!(dice.roll(On::Click), Dice::new(8).roll(On::Click));
    }
}
