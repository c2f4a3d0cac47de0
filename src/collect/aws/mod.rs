//! Documents of AWS, as `aws ec2 describe-* --output json` prints them, and the facts that they hold.
//!
//! A document is told by the keys at its top, whatever its file is called; account and region are told by the
//! folders that it lies in. All documents of one account and region are one
//! [`AwsScope`](crate::model::aws::AwsScope).

mod items;
mod keys;
mod read;
mod scope;

pub(crate) use read::{Document, Origins, broken, fields, read};
pub(crate) use scope::{coverage, merge};
