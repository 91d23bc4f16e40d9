# A cluster of EKS for deploy/kubernetes/overlays/eks or agones: nodes in three zones, volumes, and enforced NetworkPolicies. The
# AWS Load Balancer Controller, prometheus-adapter and Agones are installed with helm (docs/operations/aws.md).

locals {
  full = "${var.name}-eks"
  # The URL of the issuer of service accounts' tokens, without https://.
  issuer = replace(aws_eks_cluster.this.identity[0].oidc[0].issuer, "https://", "")

  managed = {
    cluster = ["AmazonEKSClusterPolicy"]
    node    = ["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryReadOnly", "AmazonEKS_CNI_Policy"]
  }
  attachments = merge([for role, policies in local.managed : { for policy in policies : "${role}-${policy}" => { role = role, policy = policy } }]...)

  # Service accounts that act in AWS.
  accounts = {
    volumes   = { name = "kube-system:ebs-csi-controller-sa", policy = "arn:${var.partition}:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy" }
    balancers = { name = "kube-system:aws-load-balancer-controller", policy = var.balancer_policy_arn }
  }
}

resource "aws_iam_role" "this" {
  for_each = { cluster = "eks.amazonaws.com", node = "ec2.amazonaws.com" }
  name     = "${local.full}-${each.key}"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = each.value } }]
  })
}

resource "aws_iam_role_policy_attachment" "managed" {
  for_each   = local.attachments
  role       = aws_iam_role.this[each.value.role].name
  policy_arn = "arn:${var.partition}:iam::aws:policy/${each.value.policy}"
}

resource "aws_cloudwatch_log_group" "this" {
  # EKS chooses the name.
  name              = "/aws/eks/${local.full}/cluster"
  retention_in_days = 14
  kms_key_id        = var.kms_key_arn
}

resource "aws_eks_cluster" "this" {
  #checkov:skip=CKV_AWS_339:The version is a variable; this policy knows the versions of its own release alone
  name                      = local.full
  role_arn                  = aws_iam_role.this["cluster"].arn
  version                   = var.kubernetes_version
  enabled_cluster_log_types = ["api", "audit", "authenticator", "controllerManager", "scheduler"]
  vpc_config {
    subnet_ids              = var.subnet_ids
    endpoint_private_access = true
    endpoint_public_access  = length(var.public_access_cidrs) > 0
    public_access_cidrs     = length(var.public_access_cidrs) > 0 ? var.public_access_cidrs : null
  }
  encryption_config {
    resources = ["secrets"]
    provider {
      key_arn = var.kms_key_arn
    }
  }
  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy_attachment.managed]
}

resource "aws_launch_template" "node" {
  name                   = local.full
  update_default_version = true
  # IMDSv2 alone, and not from pods.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_type = "gp3"
      volume_size = 50
      encrypted   = "true"
    }
  }
  tag_specifications {
    resource_type = "instance"
    tags          = { Name = local.full }
  }
}

resource "aws_eks_node_group" "this" {
  cluster_name    = aws_eks_cluster.this.name
  node_group_name = "nodes"
  node_role_arn   = aws_iam_role.this["node"].arn
  subnet_ids      = var.subnet_ids
  instance_types  = [var.instance_type]
  launch_template {
    id      = aws_launch_template.node.id
    version = aws_launch_template.node.latest_version
  }
  scaling_config {
    min_size     = var.min_size
    max_size     = var.max_size
    desired_size = var.min_size
  }
  lifecycle {
    # Cluster Autoscaler, or Karpenter, owns it.
    ignore_changes = [scaling_config[0].desired_size]
  }
  depends_on = [aws_iam_role_policy_attachment.managed]
}

resource "aws_iam_openid_connect_provider" "this" {
  url            = aws_eks_cluster.this.identity[0].oidc[0].issuer
  client_id_list = ["sts.amazonaws.com"]
  # IAM trusts the authority of EKS by itself, but wants one thumbprint: that of its root.
  thumbprint_list = ["9e99a48a9960b14926bb7f3b02e22da2b0ab7280"]
}

resource "aws_iam_role" "account" {
  for_each = local.accounts
  name     = "${local.full}-${each.key}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow", Action = "sts:AssumeRoleWithWebIdentity", Principal = { Federated = aws_iam_openid_connect_provider.this.arn }
      Condition = { StringEquals = { "${local.issuer}:sub" = "system:serviceaccount:${each.value.name}", "${local.issuer}:aud" = "sts.amazonaws.com" } }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "account" {
  for_each   = local.accounts
  role       = aws_iam_role.account[each.key].name
  policy_arn = each.value.policy
}

resource "aws_eks_addon" "this" {
  for_each                 = toset(["vpc-cni", "coredns", "kube-proxy", "aws-ebs-csi-driver"])
  cluster_name             = aws_eks_cluster.this.name
  addon_name               = each.value
  service_account_role_arn = each.value == "aws-ebs-csi-driver" ? aws_iam_role.account["volumes"].arn : null
  # Without it the policies of deploy/kubernetes have no effect.
  configuration_values = each.value == "vpc-cni" ? jsonencode({ enableNetworkPolicy = "true" }) : null # unchecked: provider 4.50
  depends_on           = [aws_eks_node_group.this]
}
