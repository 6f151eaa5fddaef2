"""What the seeded shop sells: the worked examples by their SKU, and goods around them."""

from collections.abc import Mapping
from dataclasses import dataclass

# Category by key: name, the key of its department, and the trust domain it belongs to.
DEPARTMENTS: Mapping[str, str] = {
    "home": "家居生活",
    "beauty": "美妆个护",
    "books": "图书课程",
    "food": "食品生鲜",
}
CATEGORIES: Mapping[str, tuple[str, str, str]] = {
    "kitchen": ("厨房小电", "home", "kitchen"),
    "paper": ("家清纸品", "home", "household"),
    "skincare": ("护肤", "beauty", "skincare"),
    "makeup": ("彩妆", "beauty", "skincare"),
    "finance": ("理财", "books", "finance"),
    "parenting": ("亲子阅读", "books", "parenting"),
    "fresh": ("时令水果", "food", "fresh_food"),
    "grain": ("粮油干货", "food", "fresh_food"),
}

JUICER, CUP = "JUICER-1", "CUP-1"
BAYBERRIES = "BAYBERRY-25"
KETTLE, TOWELS = "KETTLE-1", "TOWEL-6"
FACE_CREAM, TISSUES = "CREAM-50", "TISSUE-24"


@dataclass(frozen=True, slots=True)
class Article:
    """One product with one variant; amounts in minor units."""

    sku: str
    title: str
    variant: str
    category: str
    list_amount: int
    cost_amount: int
    solo_amount: int | None = None
    tags: tuple[str, ...] = ()
    on_hand: int = 200


ARTICLES: tuple[Article, ...] = (
    Article(JUICER, "原汁机", "曜石黑", "kitchen", 29_800, 17_500, tags=("add_on_trigger",)),
    Article(CUP, "便携随行杯", "500ml", "kitchen", 8_900, 2_600, tags=("add_on",)),
    Article(KETTLE, "恒温电热水壶", "1.5L", "kitchen", 16_900, 9_100),
    Article("STEAMER-1", "双层电蒸锅", "12L", "kitchen", 21_900, 12_800),
    Article("BOARD-1", "整木砧板", "大号", "kitchen", 7_900, 3_300),
    Article(TISSUES, "原木抽纸", "24 包", "paper", 2_000, 1_100, tags=("bundle",), on_hand=600),
    Article(TOWELS, "厨房纸巾", "6 卷", "paper", 1_900, 900, on_hand=400),
    Article("SOAP-3", "植物洗衣皂", "3 块", "paper", 1_500, 600, on_hand=400),
    Article(FACE_CREAM, "玻尿酸面霜", "50g", "skincare", 5_000, 1_900, tags=("bundle", "care")),
    Article("SERUM-30", "烟酰胺精华", "30ml", "skincare", 12_900, 4_800, tags=("care",)),
    Article("SUN-50", "清爽防晒乳", "50ml", "skincare", 8_800, 3_100, tags=("care",)),
    Article("LIP-1", "豆沙色口红", "3.5g", "makeup", 3_000, 1_200, tags=("bundle", "care")),
    Article("REMOVER-1", "温和卸妆油", "150ml", "makeup", 6_900, 2_500, tags=("care",)),
    Article("BOOK-FUND", "《基金入门十讲》", "平装", "finance", 4_900, 2_100),
    Article("BOOK-HOME", "《家庭资产配置》", "精装", "finance", 6_800, 2_900),
    Article("BOOK-INDEX", "《指数投资笔记》", "平装", "finance", 5_600, 2_400),
    Article("COURSE-FIN", "理财训练营随堂手册", "第二期", "finance", 19_800, 4_000),
    Article("BOOK-KIDS", "《给孩子的零花钱》", "绘本", "parenting", 3_900, 1_700),
    Article("BOOK-READ", "《亲子共读一百夜》", "平装", "parenting", 4_500, 1_900),
    Article(
        BAYBERRIES,
        "仙居东魁杨梅",
        "2.5kg 冷链",
        "fresh",
        19_900,
        6_200,
        solo_amount=15_900,
        tags=("fruit",),
        on_hand=500,
    ),
    Article("LOQUAT-2", "塘栖枇杷", "2kg", "fresh", 8_800, 4_100, tags=("fruit",)),
    Article("PEACH-3", "阳山水蜜桃", "3kg", "fresh", 12_800, 6_400, tags=("fruit",)),
    Article("ORANGE-5", "赣南脐橙", "5kg", "fresh", 6_900, 3_600, tags=("fruit",)),
    Article("RICE-5", "五常大米", "5kg", "grain", 7_500, 4_700),
    Article("TEA-250", "明前龙井", "250g", "grain", 26_800, 13_900),
)

GROUP_AMOUNT = 9_900
GROUP_SIZE = 3
# The price of two, and of more from so many on.
KETTLE_AMOUNT = 14_900
KETTLE_TIERS = ((4, 13_900), (6, 12_900))
TOWELS_AMOUNT = 1_500
# 打8折 on care: two creams at 5000 come to 8000.
CARE_OFF_BP = 2_000
