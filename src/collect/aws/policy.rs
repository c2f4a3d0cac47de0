//! What the reader of AWS must be allowed to do.

use serde_json::{Value, json};

use crate::model::aws::AwsList;

/// The least policy of IAM with which every list can be read that is read live (Route 53 Resolver is not): one statement for what an audit cannot do without, and
/// one for the rest. Operations that describe have no scope smaller than everything, and nothing here writes.
pub fn policy() -> Value {
    let statement = |sid: &str, must: bool| {
        let lists = AwsList::ALL.iter().filter(|list| list.is_must() == must && list.service() == "ec2");
        let actions: Vec<String> = lists.map(|list| list.action()).collect();
        json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": "*" })
    };
    json!({
        "Version": "2012-10-17",
        "Statement": [statement("BuildreachRequired", true), statement("BuildreachOptional", false)],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_only_read_and_are_named_as_iam_names_them() {
        let policy = policy();
        let actions = |at: usize| policy["Statement"][at]["Action"].as_array().cloned().unwrap_or_default();
        let live = AwsList::ALL.iter().filter(|list| list.service() == "ec2").count();
        assert_eq!(actions(0).len() + actions(1).len(), live);
        assert!(actions(0).contains(&json!("ec2:GetManagedPrefixListEntries")));
        assert!(actions(0).contains(&json!("ec2:DescribeVpcAttribute")));
        assert!(actions(1).contains(&json!("ec2:DescribeVpcBlockPublicAccessOptions")));
        for action in actions(0).iter().chain(&actions(1)) {
            let action = action.as_str().unwrap_or_default();
            assert!(action.starts_with("ec2:Describe") || action.starts_with("ec2:Get"), "{action}");
        }
    }
}
