//! Pictures as SVG: text, boxes, and lines, of one width.

use std::fmt::Write as _;

use super::runs::{CALLS, NODES, PARTS, Part, SLOW, SLOW_PARTS, WEIGHTS};

/// Colours of nodes; they differ in brightness, too.
const COLOURS: [&str; NODES] = ["#1f5aa6", "#e8772e", "#7fb8e6", "#b9c4cc"];
const INK: &str = "#333333";
const FAINT: &str = "#888888";
const WIDTH: usize = 640;
const MARGIN: usize = 16;
/// How many of the calls are shown one by one.
const SHOWN: usize = 50;

struct Picture {
    text: String,
}

/// The first calls one by one, and what each node got beside what it is due by its weight.
pub(crate) fn of_spread(title: &str, chosen: &[usize]) -> String {
    let mut picture = Picture::new(title, 196);
    picture.text((MARGIN, 58), FAINT, &format!("The first {SHOWN} calls:"));
    for (at, node) in chosen.iter().take(SHOWN).enumerate() {
        picture.area((MARGIN + at * 12, 66), (10, 18), COLOURS[*node]);
    }
    let sum: u32 = WEIGHTS.iter().sum();
    for (node, weight) in WEIGHTS.iter().enumerate() {
        let calls = chosen.iter().filter(|chosen| **chosen == node).count();
        let (top, due) = (102 + 28 * node, CALLS * *weight as usize / sum as usize);
        picture.text((MARGIN, top + 14), INK, &format!("weight {weight}"));
        picture.area((90, top), (calls * 400 / CALLS, 18), COLOURS[node]);
        picture.area((90 + due * 400 / CALLS - 1, top - 3), (2, 24), INK);
        picture.text((504, top + 14), INK, &format!("{calls} (due: {due})"));
    }
    picture.end()
}

/// Which share of the calls each node got over time, and what calls took.
pub(crate) fn of_slow_node(title: &str, parts: &[Part; PARTS]) -> String {
    const TOP: usize = 66;
    const HEIGHT: usize = 100;
    const STEP: usize = 7;
    let mut picture = Picture::new(title, 236);
    let slow = (MARGIN + SLOW_PARTS.start * STEP, SLOW_PARTS.len() * STEP);
    picture.area((slow.0, TOP - 6), (slow.1, 4), INK);
    picture.text((slow.0, TOP - 10), FAINT, "for 10 s, one of four nodes takes 20 times as long");
    for (at, part) in parts.iter().enumerate() {
        let all = part.calls.iter().sum::<u32>().max(1) as usize;
        let (mut below, mut bottom) = (0, TOP + HEIGHT);
        // The slow one at the bottom, where its share is easy to see.
        for node in (0..NODES).map(|node| (node + SLOW) % NODES) {
            below += part.calls[node] as usize;
            let top = TOP + HEIGHT - below * HEIGHT / all;
            picture.area((MARGIN + at * STEP, top), (STEP, bottom - top), COLOURS[node]);
            bottom = top;
        }
    }
    let before = summary("before", &parts[..SLOW_PARTS.start]);
    picture.text((MARGIN, TOP + HEIGHT + 22), INK, &before);
    picture.text((MARGIN, TOP + HEIGHT + 40), INK, &summary("meanwhile", &parts[SLOW_PARTS]));
    picture.text((MARGIN, TOP + HEIGHT + 58), INK, &summary("after", &parts[SLOW_PARTS.end..]));
    picture.end()
}

fn summary(when: &str, parts: &[Part]) -> String {
    let calls: u32 = parts.iter().flat_map(|part| part.calls).sum();
    let slow: u32 = parts.iter().map(|part| part.calls[SLOW]).sum();
    let took: std::time::Duration = parts.iter().map(|part| part.took).sum();
    let share = 100.0 * f64::from(slow) / f64::from(calls);
    let mean = (took / calls).as_secs_f64() * 1000.0;
    format!("{when}: {share:.1} % of the calls go there; a call takes {mean:.1} ms on average")
}

// === impl Picture ===

impl Picture {
    fn new(title: &str, height: usize) -> Self {
        let mut picture = Self { text: String::new() };
        picture.line(&format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">"#
        ));
        picture.line(&format!("<title>{title}</title>"));
        picture.area((0, 0), (WIDTH, height), "#ffffff");
        picture.text((MARGIN, 28), INK, title);
        picture
    }

    fn area(&mut self, (x, y): (usize, usize), (width, height): (usize, usize), colour: &str) {
        self.line(&format!(
            r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{colour}"/>"#
        ));
    }

    fn text(&mut self, (x, y): (usize, usize), colour: &str, text: &str) {
        self.line(&format!(r#"<text x="{x}" y="{y}" fill="{colour}">{text}</text>"#));
    }

    fn line(&mut self, line: &str) {
        writeln!(self.text, "{line}").expect("a string takes everything");
    }

    fn end(mut self) -> String {
        self.line("</svg>");
        self.text
    }
}
