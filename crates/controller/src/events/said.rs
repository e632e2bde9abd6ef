//! Which Events count as said, so that none is posted twice, or put into words for nothing.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::About;
use crate::uid::Uid;

/// Clusters keep Events about an hour: what still holds is said again then.
pub(super) const AGAIN: Duration = Duration::from_mins(61);
/// Notes about one object within [`AGAIN`]; a changing note must not become a storm.
const BURST: u32 = 25;

/// Which notices are said, and until when that is enough.
#[derive(Debug, Default)]
pub struct Said(Mutex<HashMap<Uid, SaidOf>>);

/// What is said of one object.
#[derive(Debug)]
struct SaidOf {
    /// Notices by their hash, with the time until which that is enough.
    until: Vec<(u64, Instant)>,
    /// Events that count for a storm, and since when.
    counted: (Instant, u32),
    /// Digest of what a look saw that came to these notices, and whether it came to none.
    whole: Option<(u64, IsSilent)>,
}

type IsSilent = bool;

impl SaidOf {
    fn new(now: Instant) -> Self {
        Self { until: Vec::new(), counted: (now, 0), whole: None }
    }
}

impl Said {
    /// Whether all that there is to say after having seen this is said, so that nobody need put it into words again, and then
    /// whether that was nothing.
    pub(crate) fn is_whole(&self, uid: &str, seen: u64, now: Instant) -> Option<IsSilent> {
        let said = self.lock();
        let of_object = said.get(&uid.into())?;
        let (whole, is_silent) = of_object.whole?;
        (whole == seen && of_object.until.iter().all(|(_, until)| *until > now)).then_some(is_silent)
    }

    /// To be called before what comes of it is said: whatever then turns out not to be posted takes it back.
    pub(crate) fn becomes_whole(&self, uid: &str, seen: u64, is_silent: IsSilent, now: Instant) {
        let mut said = self.lock();
        let of_object = said.entry(uid.into()).or_insert_with(|| SaidOf::new(now));
        of_object.until.retain(|(_, until)| *until > now);
        of_object.whole = Some((seen, is_silent));
    }

    /// Whether a notice has to be posted; it then counts as said until the emitter knows better.
    pub(super) fn is_news(&self, Name { uid, hash }: Name, now: Instant) -> bool {
        let mut said = self.lock();
        let of_object = said.entry(uid).or_insert_with(|| SaidOf::new(now));
        of_object.until.retain(|(_, until)| *until > now);
        if of_object.until.iter().any(|(said, _)| *said == hash) {
            return false;
        }
        of_object.until.reserve_exact(1);
        of_object.until.push((hash, now + AGAIN));
        true
    }

    pub(super) fn is_storm(&self, uid: Uid, now: Instant) -> bool {
        let mut said = self.lock();
        let of_object = said.entry(uid).or_insert_with(|| SaidOf::new(now));
        let (since, count) = &mut of_object.counted;
        if now.duration_since(*since) > AGAIN {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count > BURST
    }

    pub(super) fn set(&self, Name { uid, hash }: Name, until: Option<Instant>) {
        let mut said = self.lock();
        let Some(of_object) = said.get_mut(&uid) else { return };
        of_object.until.retain(|(said, _)| *said != hash);
        if until.is_none() {
            of_object.whole = None;
        }
        of_object.until.extend(until.map(|until| (hash, until)));
    }

    /// Forgets an object that is gone.
    pub fn forget(&self, uid: impl Into<Uid>) {
        self.lock().remove(&uid.into());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uid, SaidOf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// By which a notice is known to have been said. The Event's name does the same for the API server, and takes longer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    pub(super) uid: Uid,
    /// Of the notice.
    hash: u64,
}

impl Name {
    pub(super) fn of(About { regarding, notice }: &About) -> Self {
        let mut hasher = DefaultHasher::new();
        notice.hash(&mut hasher);
        Self { uid: regarding.uid.as_deref().unwrap_or_default().into(), hash: hasher.finish() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_not_put_into_words_again_while_all_of_it_counts_as_said() {
        let (said, now) = (Said::default(), Instant::now());
        let name = Name { uid: "u".into(), hash: 1 };
        assert_eq!(said.is_whole("u", 7, now), None);
        said.becomes_whole("u", 7, false, now);
        assert!(said.is_news(name, now));
        assert_eq!(said.is_whole("u", 7, now), Some(false));
        assert_eq!(said.is_whole("u", 8, now), None, "something else was seen");
        assert_eq!(said.is_whole("u", 7, now + AGAIN), None, "it is to be said again");
        said.set(name, Some(now + AGAIN / 4));
        assert_eq!(said.is_whole("u", 7, now), Some(false));
        said.set(name, None);
        assert_eq!(said.is_whole("u", 7, now), None, "it was not posted");
    }
}
