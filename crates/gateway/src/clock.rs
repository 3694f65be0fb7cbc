//! The clock of the process: the only place that reads one.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use narrows_wire::Time;

/// Present time before the first reading, so that [`Time::ZERO`] always lies in the past.
const HEAD_START: Duration = Duration::from_secs(1);

struct Epoch {
    instant: Instant,
    unix: Duration,
}

#[allow(clippy::disallowed_methods, reason = "this is the clock")]
fn epoch() -> &'static Epoch {
    static EPOCH: OnceLock<Epoch> = OnceLock::new();
    EPOCH.get_or_init(|| Epoch {
        instant: Instant::now(),
        unix: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
    })
}

/// The present time. Never goes back; always later than [`Time::ZERO`].
#[allow(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> Time {
    let epoch = epoch();
    Time::ZERO + HEAD_START + Instant::now().saturating_duration_since(epoch.instant)
}

/// The time of day at `time`, since 1970. Follows the clock that never goes back, so a step of the
/// system's clock does not show.
pub fn unix(time: Time) -> Duration {
    (epoch().unix + time.since(Time::ZERO)).saturating_sub(HEAD_START)
}
