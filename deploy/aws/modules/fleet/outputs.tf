output "group_name" {
  value = aws_autoscaling_group.this.name
}

output "role_name" {
  value = aws_iam_role.this.name
}

output "policy" {
  description = "What the instances may do."
  value       = local.policy
}

output "log_group" {
  value = aws_cloudwatch_log_group.this.name
}

output "user_data" {
  description = "What cloud-init gets, before compression."
  value       = local.user_data
}

output "config" {
  value = var.config
}
