//! A person's mails over time, as a picture: a line for what was sent, one for each kind of thing that was recorded.
//!
//! Whole numbers only, so that every machine draws the same. Marks differ in shape, not in colour; the table beside it says the same.

use std::fmt::Write;

use chrono::{DateTime, Datelike, Utc};
use chrono_tz::Tz;

use crate::audit::facts::{PersonFacts, Record};
use crate::output::markup::escaped;

/// The picture's width.
const WIDTH: i64 = 960;
/// Room for the names of the lines.
const LEFT: i64 = 112;
/// Room behind them.
const RIGHT: i64 = 16;
/// Height of a line.
const ROW: i64 = 28;
/// Where the first line is.
const TOP: i64 = 24;
/// A mark for a year needs so much room.
const YEAR: i64 = 44;

const STYLE: &str = "text{font:12px 'DejaVu Sans',Verdana,sans-serif;fill:#555}line{stroke:#bbb}.m{fill:#0b6e69;fill-opacity:.75}.x{stroke:#a33;stroke-width:2;fill:none}\
    @media(prefers-color-scheme:dark){text{fill:#bbb}line{stroke:#555}.m{fill:#5cc4bc}.x{stroke:#e88}}";

/// A line: its name, and the moments on it.
type Line = (&'static str, Vec<DateTime<Utc>>);

/// The lines of a life; those on which nothing is are left out.
fn lines(life: &PersonFacts) -> Vec<Line> {
    let of = |at: fn(&Record) -> Option<DateTime<Utc>>| life.records.iter().filter_map(at).collect::<Vec<_>>();
    let clicks = life.clicks.values().flatten().filter_map(|click| click.last_clicked).collect();
    let lines = [
        ("sent", of(|record| record.date_sent)),
        ("opened", of(|record| record.date_opened)),
        ("clicked", clicks),
        ("bounced", of(|record| record.date_bounced)),
        ("unsubscribed", of(|record| record.date_unsubscribed)),
        ("withheld", life.withheld.iter().filter_map(|withheld| withheld.event_date).collect()),
    ];
    lines.into_iter().filter(|(_, moments)| !moments.is_empty()).collect()
}

/// The picture, and what it says in words; none where no moment is known.
pub(super) fn life(life: &PersonFacts, zone: Tz) -> Option<(String, String)> {
    let lines = lines(life);
    let first = lines.iter().flat_map(|(_, moments)| moments).min().copied()?;
    let last = lines.iter().flat_map(|(_, moments)| moments).max().copied()?;
    let x = |at: DateTime<Utc>| {
        let (part, whole) = ((at - first).num_seconds(), (last - first).num_seconds());
        LEFT + if whole > 0 { (WIDTH - LEFT - RIGHT) * part / whole } else { 0 }
    };
    let day = |at: DateTime<Utc>| at.with_timezone(&zone).date_naive();
    let numbers: Vec<String> = lines.iter().map(|(name, moments)| format!("{} {name}", moments.len())).collect();
    let spoken = format!("From {} to {}: {}.", day(first), day(last), numbers.join(", "));
    let bottom = TOP + ROW * lines.len() as i64;
    let height = bottom + 24;
    // Writing to a text cannot fail.
    let mut svg = String::new();
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\">\
         <title>{}</title><style>{STYLE}</style>",
        escaped(&spoken)
    );
    for year in day(first).year() + 1..=day(last).year() {
        let begins = chrono::NaiveDate::from_ymd_opt(year, 1, 1)
            .and_then(|day| crate::calendar::local::Calendar { zone, ..Default::default() }.start_of(day));
        let Some(at) = begins.map(x) else { continue };
        let _ = write!(svg, "<line x1=\"{at}\" y1=\"12\" x2=\"{at}\" y2=\"{bottom}\"/>");
        if at - LEFT > YEAR * 2 && WIDTH - RIGHT - at > YEAR * 2 {
            let _ = write!(svg, "<text x=\"{at}\" y=\"{}\" text-anchor=\"middle\">{year}</text>", bottom + 16);
        }
    }
    for (row, (name, moments)) in lines.iter().enumerate() {
        let y = TOP + ROW * row as i64;
        let _ = write!(svg, "<line x1=\"{LEFT}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\"/>", WIDTH - RIGHT);
        let _ = write!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}</text>", LEFT - 16, y + 4);
        let mut drawn: Vec<i64> = moments.iter().map(|at| x(*at)).collect();
        drawn.sort_unstable();
        drawn.dedup();
        drawn.iter().for_each(|x| svg += &mark(name, *x, y));
    }
    let _ = write!(svg, "<text x=\"{LEFT}\" y=\"{}\">{}</text>", bottom + 16, day(first));
    if last > first {
        let _ = write!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", WIDTH - RIGHT, bottom + 16, day(last));
    }
    svg += "</svg>";
    Some((svg, spoken))
}

fn mark(name: &str, x: i64, y: i64) -> String {
    match name {
        "sent" => format!("<rect class=\"m\" x=\"{}\" y=\"{}\" width=\"8\" height=\"8\"/>", x - 4, y - 4),
        "clicked" => format!("<path class=\"m\" d=\"M{x} {}L{} {y}L{x} {}L{} {y}Z\"/>", y - 6, x + 6, y + 6, x - 6),
        "bounced" | "withheld" => {
            let (left, right, above, below) = (x - 5, x + 5, y - 5, y + 5);
            format!("<path class=\"x\" d=\"M{left} {above}L{right} {below}M{left} {below}L{right} {above}\"/>")
        }
        _ => format!("<circle class=\"m\" cx=\"{x}\" cy=\"{y}\" r=\"5\"/>"),
    }
}
