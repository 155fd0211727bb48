//! Renders a chart's SVG as PNG.
//!
//! # Decisions
//! - 2026-11-22 **The PNG is our SVG, drawn by `resvg` with a font that is part of the program.** One drawing to keep
//!   right; a picture does not depend on what fonts a machine has.

use std::sync::Arc;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{self, fontdb};

use super::svg::FONT;
use crate::error::{Error, Result};

/// Dots of the PNG for each of the SVG's, each way: sharp on paper and on dense screens.
const DENSITY: f32 = 2.0;

/// The PNG of a chart's SVG, drawn with a font of our own.
pub(super) fn of_svg(svg: &str) -> Result<Vec<u8>> {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_source(fontdb::Source::Binary(Arc::new(dejavu::sans::regular())));
    let options = usvg::Options { font_family: FONT.to_owned(), fontdb: Arc::new(fonts), ..usvg::Options::default() };
    let tree = usvg::Tree::from_str(svg, &options).map_err(|error| fault(&error))?;
    let (width, height) = (tree.size().width() * DENSITY, tree.size().height() * DENSITY);
    let mut picture = Pixmap::new(width as u32, height as u32).ok_or_else(|| fault(&"it has no size"))?;
    resvg::render(&tree, Transform::from_scale(DENSITY, DENSITY), &mut picture.as_mut());
    picture.encode_png().map_err(|error| fault(&error))
}

fn fault(error: &dyn std::fmt::Display) -> Error {
    Error::internal(phrase!("cannot make a PNG of the chart: {error}"))
}
