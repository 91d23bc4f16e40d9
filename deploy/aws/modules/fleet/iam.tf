# What an instance may do: read its package and its own secrets, say that its drain is over, write its metrics and its log.

locals {
  # s3://bucket/key as an ARN.
  package_arn = "arn:${var.partition}:s3:::${trimprefix(var.package, "s3://")}"
  group_arn   = "arn:${var.partition}:autoscaling:${var.region}:${var.account_id}:autoScalingGroup:*:autoScalingGroupName/${local.full}"

  policy = {
    Version = "2012-10-17"
    Statement = [
      { Sid = "Package", Effect = "Allow", Action = "s3:GetObject", Resource = local.package_arn },
      { Sid = "Secrets", Effect = "Allow", Action = "secretsmanager:GetSecretValue", Resource = local.secrets },
      { Sid = "Drained", Effect = "Allow", Action = "autoscaling:CompleteLifecycleAction", Resource = local.group_arn },
      { Sid = "Decrypt", Effect = "Allow", Action = "kms:Decrypt", Resource = var.kms_key_arn,
      Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${var.region}.amazonaws.com" } } },
      # Metrics have no resources; the namespace bounds them.
      { Sid = "Metrics", Effect = "Allow", Action = "cloudwatch:PutMetricData", Resource = "*",
      Condition = { StringEquals = { "cloudwatch:namespace" = var.metric_namespace } } },
      { Sid = "Log", Effect = "Allow", Action = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
      Resource = "arn:${var.partition}:logs:${var.region}:${var.account_id}:log-group:/grandstand/${local.full}:*" },
      # The agent finds the name of the group of its instance.
      { Sid = "Agent", Effect = "Allow", Action = "ec2:DescribeTags", Resource = "*" },
    ]
  }
}

resource "aws_iam_role" "this" {
  name = local.full
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy" "this" {
  name   = local.full
  role   = aws_iam_role.this.id
  policy = jsonencode(local.policy)
}

# Session Manager instead of SSH: no port is open, and each session is logged.
resource "aws_iam_role_policy_attachment" "session" {
  role       = aws_iam_role.this.name
  policy_arn = "arn:${var.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "this" {
  name = local.full
  role = aws_iam_role.this.name
}
