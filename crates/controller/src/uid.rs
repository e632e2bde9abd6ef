//! Objects by their uid, in the maps that have an entry for each job of a fleet.

use std::hash::{DefaultHasher, Hash, Hasher};

/// Stands for a uid, and takes less than half of the text. Uids are UUIDs (RFC 9562), which it holds as they are: no two are
/// one. Of any other text it is a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(u128);

impl From<&str> for Uid {
    fn from(uid: &str) -> Self {
        Self(number(uid).unwrap_or_else(|| digest(uid)))
    }
}

/// The number that a UUID is, in the only form in which the API server writes one.
fn number(uid: &str) -> Option<u128> {
    const HYPHENS: [usize; 4] = [8, 13, 18, 23];
    let mut number = 0;
    for (place, byte) in uid.bytes().enumerate() {
        if HYPHENS.contains(&place) {
            (byte == b'-').then_some(())?;
            continue;
        }
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        number = number << 4 | u128::from(digit);
    }
    (uid.len() == 36).then_some(number)
}

fn digest(uid: &str) -> u128 {
    let mut hasher = DefaultHasher::new();
    uid.hash(&mut hasher);
    u128::from(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_held_as_it_is() {
        let uid = Uid::from("0f8fad5b-d9cb-469f-a165-70867728950e");
        assert_eq!(uid, Uid(0x0f8f_ad5b_d9cb_469f_a165_7086_7728_950e));
        assert_ne!(uid, Uid::from("0f8fad5b-d9cb-469f-a165-70867728950f"));
    }

    #[test]
    fn what_is_no_uuid_is_told_apart_all_the_same() {
        let others = [
            "",
            "u-1",
            "u-2",
            "0f8fad5bd9cb469fa16570867728950e",
            "0f8fad5b-d9cb-469f-a165-70867728950E",
            "0f8fad5b-d9cb-469f-a165-70867728950",
            "0f8fad5b-d9cb-469f-a165-70867728950e0",
            "0f8fad5b-d9cb-469f-a165_70867728950e",
        ];
        let uids: std::collections::HashSet<Uid> = others.into_iter().map(Uid::from).collect();
        assert_eq!(uids.len(), others.len());
        assert!(!uids.contains(&Uid::from("0f8fad5b-d9cb-469f-a165-70867728950e")));
    }
}
