"""What the command line says, in Chinese or English by the terminal's language."""

import os
from collections.abc import Mapping
from typing import Any

from app.core.i18n import Language

TEXTS: Mapping[str, tuple[str, str]] = {
    "database_away": ("数据库无法连接：{reason}", "the database does not answer: {reason}"),
    "not_migrated": (
        "数据库结构不是最新，请先运行 quanpu migrate",
        "the database is not at the newest schema; run quanpu migrate first",
    ),
    "no_migrations": (
        "找不到 alembic.ini，请在仓库目录运行",
        "alembic.ini was not found; run this in the repository",
    ),
    "migrated": ("数据库结构：{before} → {after}", "schema: {before} -> {after}"),
    "seeded": (
        "示例店铺已就绪：{products} 个商品，{members} 位成员，{orders} 笔订单（新增 {added} 笔）",
        "the seeded shop: {products} products, {members} members, {orders} orders ({added} new)",
    ),
    "no_seed_in_production": (
        "生产环境不能写入示例数据",
        "the seed has known passwords and is refused in production",
    ),
    "password_prompt": ("密码（至少 10 位）", "Password (at least 10 characters)"),
    "password_short": ("密码至少 10 位、至多 128 位", "a password has 10 to 128 characters"),
    "email_wrong": ("邮箱格式不正确：{email}", "this is no e-mail address: {email}"),
    "operator_exists": ("该邮箱已有操作员", "an operator with this e-mail exists already"),
    "operator_made": ("已创建操作员 {operator_id}", "operator created: {operator_id}"),
    "openapi_written": ("已写入 {path}", "written: {path}"),
    "port_taken": ("端口 {port} 被占用，改用 {other}", "port {port} is taken, using {other}"),
    "port_refused": (
        "无法监听 {host}:{port}：{reason}",
        "cannot listen on {host}:{port}: {reason}",
    ),
    "reset_done": ("已清空 {path}", "{path} was removed"),
    "goodbye": ("已停止，数据保存在 {path}", "stopped; the data stays in {path}"),
    "reconciled": (
        "{gateway}：{count} 处差异，已修复 {mended} 处",
        "{gateway}: {count} differences, {mended} mended",
    ),
    "difference": (
        "  {kind} {reference}：我方 {ours}，渠道 {theirs}",
        "  {kind} {reference}: ours {ours}, theirs {theirs}",
    ),
    "difference_mended": (
        "  {kind} {reference}：我方 {ours}，渠道 {theirs}，已修复",
        "  {kind} {reference}: ours {ours}, theirs {theirs}, mended",
    ),
    "no_such_books": (
        "渠道 {gateway} 未配置或无法读取账目；可用：{known}",
        "the provider {gateway} is not configured or its books cannot be read; there are: {known}",
    ),
    "provider_away": ("支付渠道 {gateway} 没有响应", "the provider {gateway} does not answer"),
    "time_wrong": ("时间格式不正确：{told}", "this is no time: {told}"),
    "api_away": ("服务 {url} 无法连接：{reason}", "the server {url} does not answer: {reason}"),
    "api_refused": ("服务拒绝（{status}）{reason}", "the server refuses ({status}) {reason}"),
    "forward_wrong": (
        "转发地址须以 http:// 或 https:// 开头：{url}",
        "the URL to forward to must begin with http:// or https://: {url}",
    ),
    "listening": (
        "正在转发到 {url}，签名密钥 {secret}",
        "forwarding to {url}, signed with {secret}",
    ),
    "forwarded": ("{type} {id} → {outcome}", "{type} {id} -> {outcome}"),
    "no_endpoints": ("没有已启用的推送地址", "there is no endpoint that is enabled"),
    "triggered": (
        "已向 {endpoint_id} 发送 {kind} 测试：{delivery_id}",
        "test of {kind} to {endpoint_id}: {delivery_id}",
    ),
    "resent": ("已重新推送 {kind}：{delivery_id}", "{kind} is sent again: {delivery_id}"),
    "check_database": ("数据库", "database"),
    "check_migrations": ("数据库结构", "migrations"),
    "check_durability": ("持久性", "durability"),
    "check_clock": ("时钟", "clock"),
    "check_keys": ("密钥", "keys"),
    "check_worker": ("后台进程", "worker"),
}


def terminal_language(environ: Mapping[str, str] = os.environ) -> Language:
    """Chinese where the terminal's locale is Chinese, else English."""
    told = environ.get("LC_ALL") or environ.get("LC_MESSAGES") or environ.get("LANG") or ""
    return "zh-CN" if told.lower().startswith("zh") else "en"


def text(key: str, language: Language | None = None, **values: Any) -> str:
    """One sentence of the table with its values, in the terminal's language unless told."""
    chinese, english = TEXTS[key]
    chosen = chinese if (language or terminal_language()) == "zh-CN" else english
    return chosen.format(**values)
