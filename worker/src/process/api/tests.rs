use grandstand_common::process::admin::check_description;

use super::*;

#[test]
fn the_description_has_each_path_method_and_parameter_and_no_other() {
    check_description(DESCRIPTION, &ROUTES, Operation::is_paged).unwrap();
}
