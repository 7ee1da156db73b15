//! DTDL, versions 2, 3 and 4: the modelling language of the product.

pub mod dtmi;
pub mod json;
pub mod value;
