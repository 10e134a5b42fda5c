//! What only tests, models and fuzz targets use. Never on in anything that ships.

pub mod artifact;
pub mod small;
pub mod table;
pub mod variant;
pub mod walk;
