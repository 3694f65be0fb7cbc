//! Frames at random, most of them wrong, with an owner that answers at random: whatever comes, nothing
//! panics, all input is used up, and the output stays within bounds.

use std::time::Duration;

use narrows_wire::codec::{End, ErrorCode, StreamKey};
use narrows_wire::h2::Config;

use crate::chance::Random;
use crate::support::{Raw, Seen, frame, kind, number, reply, request, trailers};

impl Random {
    /// A frame that is mostly legal for some stream, and sometimes anything.
    fn frame(&mut self, raw: &mut Raw, opened: &mut u32) -> Vec<u8> {
        if raw.is_client && (*opened == 0 || self.below(4) == 0) {
            *opened += 1;
            let end = if self.below(2) == 0 { End::Open } else { End::Stream };
            return raw.headers(2 * *opened - 1, &request(), end);
        }
        // One of the last eight streams that were opened.
        let back = (self.below(8) as u32).min(opened.saturating_sub(1));
        let stream = (2 * (*opened).saturating_sub(back)).saturating_sub(1).max(1);
        if self.below(40) == 0 {
            let payload: Vec<u8> = (0..self.below(70)).map(|_| self.below(256) as u8).collect();
            return frame(self.below(12) as u8, self.below(256) as u8, stream - 1, &payload);
        }
        let end = if self.below(2) == 0 { End::Open } else { End::Stream };
        match self.below(8) {
            0..=2 if !raw.is_client || self.below(20) == 0 => {
                let heads = [request(), reply(), trailers()];
                raw.headers(stream, &heads[self.below(3)], end)
            }
            0..=4 => {
                let padding = vec![0; self.below(20)];
                let data = [vec![padding.len() as u8], vec![1; self.below(9000)], padding];
                frame(kind::DATA, 8 + self.below(2) as u8, stream, &data.concat())
            }
            5 => number(kind::RST_STREAM, stream, self.below(14) as u32),
            6 => number(kind::WINDOW_UPDATE, stream, self.below(1 << 20) as u32),
            _ => {
                let window = self.below(200_000) as u32;
                let entry = [&[0, 4][..], &window.to_be_bytes()].concat();
                frame(kind::SETTINGS, 0, 0, &entry)
            }
        }
    }

    /// A command, of which many have no place.
    fn command(&mut self, raw: &mut Raw, keys: &[StreamKey]) {
        let connection = &mut raw.ours.connection;
        let end = if self.below(3) == 0 { End::Stream } else { End::Open };
        let Some(key) = keys.iter().rev().nth(self.below(8)) else { return };
        match self.below(9) {
            0 => connection.send_head(*key, &reply(), end),
            1 => connection.send_trailers(*key, &trailers()),
            2 => connection.reset(*key, ErrorCode::CANCEL),
            3 => connection.reset_after_data(*key, ErrorCode::NO_ERROR),
            4 => connection.release(*key),
            5 => connection.grant(*key, self.below(100_000)),
            6 => connection.send_informational(*key, &reply()),
            _ => {
                let data = vec![7; self.below(40_000)];
                assert!(connection.send_data(*key, &data, end) <= data.len());
            }
        }
    }
}

#[test]
fn whatever_comes_is_survived() {
    let mut survived = 0;
    for seed in 0..1500 {
        let mut random = Random(seed);
        let mut raw = match seed % 2 {
            0 => Raw::client(Config::default()),
            _ => Raw::server(Config::default()),
        };
        let (mut keys, mut opened) = (Vec::new(), 0);
        for _ in 0..60 {
            if !raw.is_client && (opened == 0 || random.below(3) == 0) {
                let now = raw.now;
                let key = raw.ours.connection.open(now, 0, &request(), End::Open);
                opened += u32::from(key.is_ok());
                keys.extend(key);
            }
            let mut bytes = random.frame(&mut raw, &mut opened);
            if random.below(2000) == 0 {
                bytes.pop();
            }
            let split = random.below(bytes.len() + 1);
            for part in [&bytes[..split], &bytes[split..]] {
                for seen in raw.send(part) {
                    if let Seen::Head { stream, .. } | Seen::Reset { stream, .. } = seen {
                        keys.push(stream);
                    }
                }
            }
            random.command(&mut raw, &keys);
            if random.below(10) == 0 {
                raw.now = raw.now + Duration::from_millis(random.below(4000) as u64);
                let now = raw.now;
                raw.ours.connection.on_deadline(now);
            }
            survived += usize::from(!raw.ours.connection.is_closed());
            assert!(raw.ours.connection.output().len() < 1 << 20);
            if random.below(3) == 0 {
                raw.ours.take_output();
            }
        }
    }
    assert!(survived > 15_000, "most frames should meet a living connection: {survived}");
}
