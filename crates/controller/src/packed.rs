//! Jobs of a fleet look alike: what one of them says already is not kept once more for each of the others.

use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError};

use lz4_flex::block::{compress_with_dict, decompress_into_with_dict};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Most that the texts have which others are compared with, in bytes. LZ4 looks back 64 KiB at the most, over the text
/// itself as well.
const LONGEST_DICTIONARY: usize = 40 << 10;
/// A text that does not shrink by this factor is like none before.
const ALIKE: usize = 4;
/// Room that a thread keeps for the next text, in bytes: that of most jobs.
const ROOM: usize = 64 << 10;

thread_local! {
    /// Room for a text while it is read. Every look takes it: to ask the allocator for as much each time takes longer than to
    /// unpack.
    static UNPACKED: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What was kept does not come back as it was. It never should, and is never taken for something empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotKept(Box<str>);

impl NotKept {
    pub(crate) fn because(why: impl std::fmt::Display) -> Self {
        Self(why.to_string().into())
    }
}

/// A compressed text, and what it was compressed against.
#[derive(Clone, Debug)]
pub(crate) struct Packed {
    bytes: Arc<[u8]>,
    length: u32,
    dictionary: Arc<[u8]>,
}

/// Compresses texts against the first of each kind that it has seen; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dictionary(Arc<Mutex<Arc<[u8]>>>);

impl Dictionary {
    /// The text, packed.
    pub(crate) fn pack(&self, text: &[u8]) -> Packed {
        let dictionary = self.lock().clone();
        let bytes = compress_with_dict(text, &dictionary);
        if bytes.len() * ALIKE > text.len() {
            self.add(text);
        }
        Packed { bytes: bytes.into(), length: u32::try_from(text.len()).unwrap_or(u32::MAX), dictionary }
    }

    /// The value as JSON, packed.
    pub(crate) fn pack_json<T: Serialize>(&self, value: &T) -> Result<Packed, NotKept> {
        serde_json::to_vec(value).map(|text| self.pack(&text)).map_err(NotKept::because)
    }

    /// Whatever was packed before keeps the dictionary that it was packed with: there are as many as there are texts in the
    /// last.
    fn add(&self, text: &[u8]) {
        let mut dictionary = self.lock();
        if dictionary.len() + text.len() <= LONGEST_DICTIONARY {
            *dictionary = [dictionary.as_ref(), text].concat().into();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Arc<[u8]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Packed {
    /// What `read` makes of the text.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&[u8]) -> Result<T, NotKept>) -> Result<T, NotKept> {
        // Whoever unpacks something else in `read` finds no room, and makes some.
        let mut room = UNPACKED.take();
        let length = self.length as usize;
        if room.len() < length {
            room.resize(length, 0);
        }
        let text = room.get_mut(..length).unwrap_or_default();
        let unpacked = decompress_into_with_dict(&self.bytes, text, &self.dictionary).map_err(NotKept::because);
        let read = unpacked.and_then(|length| read(text.get(..length).unwrap_or_default()));
        room.truncate(ROOM);
        room.shrink_to(ROOM);
        UNPACKED.set(room);
        read
    }

    /// The value whose JSON was packed.
    pub(crate) fn unpack_json<T: DeserializeOwned>(&self) -> Result<T, NotKept> {
        self.read(|text| serde_json::from_slice(text).map_err(NotKept::because))
    }

    /// A text that can neither be unpacked nor read.
    #[cfg(test)]
    pub(crate) fn broken() -> Self {
        Self { bytes: [0x0f, 0xff].as_slice().into(), length: 9, dictionary: Arc::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hash, Hasher};

    use super::*;

    fn unpacked(packed: &Packed) -> Result<Vec<u8>, NotKept> {
        packed.read(|text| Ok(text.to_vec()))
    }

    /// As jobs are alike: the name stands here and there in what all of them say.
    fn text(name: &str) -> Vec<u8> {
        (0_u32..100)
            .flat_map(|number| {
                let who = if number.is_multiple_of(10) { name } else { "it" };
                format!("{who} says {} of {}; ", number * number, number % 7).into_bytes()
            })
            .collect()
    }

    #[test]
    fn what_was_packed_is_unpacked_whatever_came_later() {
        let dictionary = Dictionary::default();
        let texts: Vec<Vec<u8>> = ["a", "b", "orders", "payments"].map(text).into_iter().chain([Vec::new()]).collect();
        let packed: Vec<Packed> = texts.iter().map(|text| dictionary.pack(text)).collect();
        for (text, packed) in texts.iter().zip(&packed) {
            assert_eq!(unpacked(packed).as_ref(), Ok(text));
        }
    }

    #[test]
    fn whoever_reads_one_may_read_another() {
        let dictionary = Dictionary::default();
        let [long, short] = [text("orders"), b"short".to_vec()];
        let [outer, inner] = [&long, &short].map(|text| dictionary.pack(text));
        let both = outer.read(|outer| Ok((outer.to_vec(), unpacked(&inner)?)));
        assert_eq!(both, Ok((long, short)));
    }

    #[test]
    fn what_is_longer_than_lz4_looks_back_is_unpacked_as_well() {
        let dictionary = Dictionary::default();
        let long: Vec<u8> = (0..3000).flat_map(|number| text(&number.to_string())).collect();
        for length in [1, LONGEST_DICTIONARY, (64 << 10) - 1, 64 << 10, (64 << 10) + 1, long.len()] {
            let text = &long[long.len() - length..];
            assert_eq!(unpacked(&dictionary.pack(text)).as_deref(), Ok(text), "{length} bytes");
        }
    }

    #[test]
    fn what_cannot_be_unpacked_is_an_error() {
        let mut packed = Dictionary::default().pack(&text("orders"));
        packed.length -= 1;
        assert!(unpacked(&packed).is_err());
        assert!(Packed::broken().unpack_json::<serde_json::Value>().is_err());
    }

    #[test]
    fn the_second_of_a_kind_costs_a_fraction_of_the_first() {
        let dictionary = Dictionary::default();
        let [first, second] = ["orders", "payments"].map(|name| dictionary.pack(&text(name)).bytes.len());
        assert!(second * 3 < first, "{second} of {first}");
    }

    #[test]
    fn a_dictionary_has_bounds() {
        let dictionary = Dictionary::default();
        for number in 0_u64..200 {
            // Alike in nothing.
            let noise = (0_u64..125).flat_map(|index| {
                let mut hasher = DefaultHasher::new();
                (number, index).hash(&mut hasher);
                hasher.finish().to_le_bytes()
            });
            dictionary.pack(&noise.collect::<Vec<_>>());
        }
        let length = dictionary.lock().len();
        assert!(length <= LONGEST_DICTIONARY && length > LONGEST_DICTIONARY / 2, "{length}");
    }
}
