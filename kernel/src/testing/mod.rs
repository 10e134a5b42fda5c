//! What only tests, models and fuzz targets use. Never on in anything that ships.

pub mod artifact;
