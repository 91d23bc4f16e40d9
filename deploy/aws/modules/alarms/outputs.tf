output "topic_arns" {
  description = "The topics by severity: critical, warning."
  value       = { for severity, topic in aws_sns_topic.this : severity => topic.arn }
}
