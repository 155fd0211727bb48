//! Draws what was recorded about an e-mail on a time line, as SVG, with distances in proportion to time.
//!
//! It computes with whole numbers only, so the drawing has the same bytes on every machine.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::audit::verdict::{Event, EventKind, Mail};
use crate::output::markup::escaped;

/// The picture's width; its height grows with the events.
const WIDTH: i64 = 720;
/// Room left and right of the line.
const MARGIN: i64 = 12;
/// Where the line is.
const LINE: i64 = 30;
/// Height of a label.
const ROW: i64 = 20;

/// How the picture looks where it stands alone, by day and by night; on the page of a pack that page's style says it.
const ALONE: &str = "text{font:10px Arial,sans-serif;fill:#222}.axis{stroke:#222;stroke-width:1.5}.leader{stroke:#999;stroke-width:.7}\
    rect,path,circle{fill:#222}.bounce{stroke:#222;stroke-width:2.5;fill:none}.told{stroke:#222;stroke-width:1.2;fill:#fff}\
    @media(prefers-color-scheme:dark){text,rect,path,circle{fill:#ddd}.axis,.bounce,.told{stroke:#ddd}.bounce{fill:none}.told{fill:#222}}";

/// The picture of one mail as a file of its own.
pub fn picture(mail: &Mail, zone: Tz) -> Option<String> {
    let svg = svg(mail, zone)?;
    let inside = svg.strip_prefix("<svg ")?;
    let (head, rest) = inside.split_once('>')?;
    Some(format!("<svg xmlns=\"http://www.w3.org/2000/svg\" {head}><style>{ALONE}</style>{rest}"))
}

/// The picture of one mail; none where no moment is known.
pub fn svg(mail: &Mail, zone: Tz) -> Option<String> {
    let dated: Vec<(&Event, DateTime<Utc>)> = mail.events.iter().filter_map(|event| Some((event, event.at?))).collect();
    let first = dated.iter().map(|(_, at)| *at).min()?;
    let recorded = mail.record.system_modstamp;
    let last = dated.iter().map(|(_, at)| *at).chain(recorded).max()?;
    let x = |at: DateTime<Utc>| {
        let (part, whole) = ((at - first).num_seconds(), (last - first).num_seconds());
        MARGIN + if whole > 0 { (WIDTH - 2 * MARGIN) * part / whole } else { 0 }
    };
    let local = |at: DateTime<Utc>| at.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S %Z").to_string();

    let mut labels: Vec<(i64, String, Option<EventKind>)> =
        dated.iter().map(|(event, at)| (x(*at), format!("{}, {}", event.what.words(), local(*at)), Some(event.what))).collect();
    labels.extend(recorded.filter(|at| *at >= first).map(|at| (x(at), format!("the record's last change, {}", local(at)), None)));
    // Labels stand on the side with more room. On the left, the later a moment the nearer its label to the line, on the right
    // the farther: so few lines cross labels.
    let left = |label: &(i64, String, Option<EventKind>)| label.0 <= WIDTH / 2;
    labels.sort_by_key(|label| if left(label) { (0, -label.0) } else { (1, label.0) });

    let height = LINE + ROW * (labels.len() as i64 + 1);
    let mut picture = String::new();
    let spoken: Vec<&str> = labels.iter().map(|(_, text, _)| text.as_str()).collect();
    let spoken = escaped(&spoken.join("; "));
    // Writing to a text cannot fail.
    let _ = write!(
        picture,
        "<svg class=\"timeline\" role=\"img\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\"><title>{spoken}</title>\
         <line class=\"axis\" x1=\"{MARGIN}\" y1=\"{LINE}\" x2=\"{}\" y2=\"{LINE}\"/>\
         <text x=\"{MARGIN}\" y=\"{}\">{}</text>",
        WIDTH - MARGIN,
        LINE - 14,
        escaped(&local(first)),
    );
    if last > first {
        let (at, above) = (WIDTH - MARGIN, LINE - 14);
        let _ = write!(picture, "<text x=\"{at}\" y=\"{above}\" text-anchor=\"end\">{}</text>", escaped(&local(last)));
    }
    for (row, (x, _, _)) in labels.iter().enumerate() {
        let below = LINE + ROW * (row as i64 + 1);
        let _ = write!(picture, "<line class=\"leader\" x1=\"{x}\" y1=\"{LINE}\" x2=\"{x}\" y2=\"{below}\"/>");
    }
    for (row, label) in labels.iter().enumerate() {
        let (below, text) = (LINE + ROW * (row as i64 + 1) + 4, escaped(&label.1));
        let (at, anchor) = if left(label) { (label.0 + 6, "start") } else { (label.0 - 6, "end") };
        let _ = write!(picture, "<text class=\"label\" x=\"{at}\" y=\"{below}\" text-anchor=\"{anchor}\">{text}</text>");
    }
    for (x, _, what) in &labels {
        picture += &mark(*x, *what);
    }
    picture += "</svg>";
    Some(picture)
}

/// Shapes, not colours, tell events apart: print is often black and white.
fn mark(x: i64, what: Option<EventKind>) -> String {
    let y = LINE;
    match what {
        None => format!("<circle class=\"told\" cx=\"{x}\" cy=\"{y}\" r=\"4\"/>"),
        Some(EventKind::Sent) => format!("<rect x=\"{}\" y=\"{}\" width=\"9\" height=\"9\"/>", x - 4, y - 4),
        Some(EventKind::HardBounce | EventKind::SoftBounce | EventKind::Bounce) => {
            let (left, right, above, below) = (x - 5, x + 5, y - 5, y + 5);
            format!("<path class=\"bounce\" d=\"M{left} {above}L{right} {below}M{left} {below}L{right} {above}\"/>")
        }
        Some(EventKind::Clicked) => format!("<path d=\"M{x} {}L{} {y}L{x} {}L{} {y}Z\"/>", y - 6, x + 6, y + 6, x - 6),
        Some(EventKind::Opened | EventKind::Unsubscribed) => format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"5\"/>"),
    }
}
